"""Scores per second from warm lanes, against the other ways to run a reward in a container.

    python benchmarks/reward_lanes.py [--short] [--json] [--sandbox docker] [--lanes 2]

Peers, on the same engine in the same run: one `docker run` for each score, one `docker exec` in a
running container, both on the lanes' image; and the `llm-sandbox` package, on an image with a shell
and in a virtual environment that this script makes. Everybody runs at the same niceness. The last
line is a JSON object; the ratios are what counts.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.settings import LaneSettings
from svc_reward.lane.wire import Status
from svc_reward.lane_pool import LanePool
from svc_reward.sandbox import open_backend

TRIVIAL = "def reward(prompt, completion, example): return float(completion == example['a'])"
CASE = Case("p", "1", {"a": "1"})
PRINTS = f"{TRIVIAL}\nprint(reward('p', '1', {{'a': '1'}}))"

ROOT = Path(__file__).parents[1]
PEER_PACKAGE = "llm-sandbox[docker]==0.3.46"
PEER_VENV = ROOT / ".venv-llm-sandbox"
PEER_IMAGE = "python:3.11-slim-bookworm"

TRITON = """
import torch
import triton
import triton.language as tl

@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + at, tl.load(x + at, mask=at < n) + tl.load(y + at, mask=at < n), mask=at < n)

def reward(prompt, completion, example):
    x, y = torch.randn(2, 1000)
    out = torch.empty_like(x)
    add[(8,)](x, y, out, 1000, BLOCK=128)
    return torch.allclose(out, x + y)
"""


@dataclass(frozen=True, slots=True)
class Rate:
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float | None = None
    """Mean of a score; None for peers, whose CPU time is partly the engine's."""


async def measure(seconds: float, width: int, one: Callable[[], Awaitable[float | None]]) -> Rate:
    """`one` returns the CPU milliseconds of a score, if it knows; `width` of them run at a time."""
    walls: list[float] = []
    cpus: list[float] = []
    until = time.perf_counter() + seconds

    async def loop() -> None:
        while time.perf_counter() < until:
            started = time.perf_counter()
            cpu = await one()
            cpus.extend([] if cpu is None else [cpu])
            walls.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(width)))
    elapsed = time.perf_counter() - started
    walls.sort()
    return Rate(
        per_second=round(len(walls) / elapsed, 1),
        p50_ms=round(1000 * walls[len(walls) // 2], 1),
        p99_ms=round(1000 * walls[int(len(walls) * 0.99)], 1),
        cpu_ms=round(statistics.mean(cpus), 2) if cpus else None,
    )


async def warm_lanes(
    backend: Backend, settings: RewardSettings, source: str, seconds: float
) -> Rate:
    program = Program.python(RewardDefinition(source=source))
    lane_class = program.lane_class
    limits = settings.limits(program.limits, packages=lane_class.packages)
    body = program.payload(CASE, seed=7)
    pool = LanePool(backend, settings)
    try:
        await pool.warm(lane_class, settings.reward_lanes)

        async def one() -> float:
            outcome = await pool.evaluate(lane_class, body, limits)
            assert outcome.status is Status.OK, outcome
            return outcome.cpu_ms

        return await measure(seconds, settings.reward_lanes, one)
    finally:
        await pool.close()


class LevelBackend(DockerBackend):
    """Lanes that are not nice to others: their peers are not either."""

    def _options(self, lane_class: LaneClass, first_uid: int, gpu: str) -> dict[str, Any]:
        options = super()._options(lane_class, first_uid, gpu)
        lane = LaneSettings.parse(options["command"][0])
        return options | {"command": [lane._replace(nice=0).dump()]}


def container_options(backend: DockerBackend) -> dict[str, Any]:
    """A lane's flags for a container that is none."""
    options = backend._options(LaneClass(), 20_000, "")  # noqa: SLF001 - the same flags
    return options | {"stdin_open": False, "auto_remove": False, "log_config": None}


async def docker_run(backend: DockerBackend, width: int, seconds: float) -> Rate:
    """A fresh container for each score: what a lane would be without being warm."""
    options = container_options(backend)
    options |= {"entrypoint": [options["entrypoint"][0], "-I", "-S", "-c", PRINTS], "command": None}

    def run() -> None:
        container = backend._client.containers.create(**options)  # noqa: SLF001
        try:
            container.start()
            assert container.wait()["StatusCode"] == 0
            assert container.logs() == b"1.0\n"
        finally:
            container.remove(force=True)

    return await measure(seconds, width, lambda: asyncio.to_thread(run))


async def docker_exec(backend: DockerBackend, width: int, seconds: float) -> Rate:
    """A fresh interpreter for each score in one running container: shared by all of them."""
    options = container_options(backend)
    python = options["entrypoint"][0]
    idle = [python, "-I", "-S", "-c", "import time; time.sleep(3600)"]
    options |= {"entrypoint": idle, "command": None}
    container = backend._client.containers.create(**options)  # noqa: SLF001
    try:
        container.start()

        def run() -> None:
            result = container.exec_run([python, "-I", "-S", "-c", PRINTS])
            assert result.output == b"1.0\n", result

        return await measure(seconds, width, lambda: asyncio.to_thread(run))
    finally:
        container.remove(force=True)


def llm_sandbox(width: int, seconds: float) -> dict[str, Rate]:
    """The package with a session for each score, and with sessions that are kept."""
    python = PEER_VENV / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER_VENV], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PEER_PACKAGE], check=True)
    subprocess.run([ROOT / "scripts" / "base_image.sh"], check=True)
    script = Path(__file__).with_name("peer_llm_sandbox.py")
    command: list[str | Path] = [python, script, PEER_IMAGE, str(seconds), str(width), PRINTS]
    # Its own log lines come first.
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: Rate(**rate) for name, rate in found.items()}


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="2 seconds of each")
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sandbox", choices=["docker", "process"], default="docker")
    options = parser.parse_args()
    seconds = 2.0 if options.short else 10.0
    settings = RewardSettings(sandbox=options.sandbox, reward_lanes=options.lanes)
    in_docker = options.sandbox == "docker"
    backend = LevelBackend(settings) if in_docker else open_backend(settings)
    result: dict[str, Any] = {"lanes": options.lanes, "load": round(os.getloadavg()[0], 2)}
    result |= backend.describe()

    def note(name: str, rate: Rate) -> Rate:
        result[name] = asdict(rate)
        if not options.json:
            print(name, result[name], flush=True)
        return rate

    try:
        lanes = note("trivial", await warm_lanes(backend, settings, TRIVIAL, seconds))
        result["per_core"] = round(lanes.per_second / min(options.lanes, os.cpu_count() or 1), 1)
        note("triton", await warm_lanes(backend, settings, TRITON, seconds))
        if isinstance(backend, DockerBackend):
            cold = note("docker_run", await docker_run(backend, options.lanes, seconds))
            result["ratio_docker_run"] = round(lanes.per_second / cold.per_second, 1)
            running = note("docker_exec", await docker_exec(backend, options.lanes, seconds))
            result["ratio_docker_exec"] = round(lanes.per_second / running.per_second, 1)
            peers = await asyncio.to_thread(llm_sandbox, options.lanes, seconds)
            for name, peer in peers.items():
                note(f"llm_sandbox_{name}", peer)
                result[f"ratio_llm_sandbox_{name}"] = round(lanes.per_second / peer.per_second, 1)
        result["load_after"] = round(os.getloadavg()[0], 2)
        print(json.dumps(result))
    finally:
        backend.close()


if __name__ == "__main__":
    asyncio.run(main())
