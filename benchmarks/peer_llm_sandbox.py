"""Scores per second of the `llm-sandbox` package; runs in a virtual environment of its own.

`reward_lanes.py` starts it: IMAGE SECONDS WIDTH CODE. The one line that it prints is a JSON object:
`session` opens and closes a session for each score, `reused` keeps one for each thread.
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Protocol

from llm_sandbox import SandboxSession  # type: ignore[import-not-found, unused-ignore]

MIB = 1 << 20
HARDENED: dict[str, Any] = {
    "network_mode": "none",
    "mem_limit": 512 * MIB,
    "memswap_limit": 512 * MIB,
    "pids_limit": 64,
    "nano_cpus": 1_000_000_000,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    # The image's interpreter, as process 1, would ignore anything else for ten seconds.
    "stop_signal": "SIGKILL",
}


class Session(Protocol):
    def run(self, code: str) -> Any: ...  # noqa: ANN401 - its own type


def session(image: str) -> AbstractContextManager[Session]:
    opened: AbstractContextManager[Session] = SandboxSession(
        image=image,
        lang="python",
        keep_template=True,
        skip_environment_setup=True,
        runtime_configs=dict(HARDENED),
    )
    return opened


def score(opened: Session, code: str) -> None:
    result = opened.run(code)
    if result.stdout.strip() != "1.0":
        raise RuntimeError(result)


def fresh(image: str, code: str, until: float) -> list[float]:
    walls = []
    while (started := time.perf_counter()) < until:
        with session(image) as opened:
            score(opened, code)
        walls.append(time.perf_counter() - started)
    return walls


def reused(image: str, code: str, seconds: float) -> list[float]:
    walls = []
    with session(image) as opened:
        score(opened, code)
        until = time.perf_counter() + seconds
        while (started := time.perf_counter()) < until:
            score(opened, code)
            walls.append(time.perf_counter() - started)
    return walls


def rate(width: int, one: Callable[[], list[float]]) -> dict[str, float]:
    """Each thread's own rate, added up: opening a session that is reused does not count."""
    with ThreadPoolExecutor(width) as threads:
        found = [each.result() for each in [threads.submit(one) for _ in range(width)]]
    walls = sorted(wall for each in found for wall in each)
    return {
        "per_second": round(sum(len(each) / sum(each) for each in found), 2),
        "p50_ms": round(1000 * walls[len(walls) // 2], 1),
        "p99_ms": round(1000 * walls[int(len(walls) * 0.99)], 1),
    }


def main() -> None:
    image, code = sys.argv[1], sys.argv[4]
    seconds, width = float(sys.argv[2]), int(sys.argv[3])
    until = time.perf_counter() + seconds
    each = rate(width, lambda: fresh(image, code, until))
    kept = rate(width, lambda: reused(image, code, seconds))
    print(json.dumps({"session": each, "reused": kept}))


if __name__ == "__main__":
    main()
