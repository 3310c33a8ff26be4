"""Scores per second from warm lanes, against one `docker run` for each score.

    python benchmarks/reward_lanes.py [--seconds 5] [--lanes 2] [--sandbox docker]

Both sides run the same image on the same engine in the same run; the ratio is what counts. One
JSON object on standard output.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Function, payload
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.wire import Status
from svc_reward.lane_pool import LanePool
from svc_reward.sandbox import open_backend

TRIVIAL = "def reward(prompt, completion, example): return float(completion == example['a'])"
CASE = Case("p", "1", {"a": "1"})

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
    cpu_ms: float


async def measure(seconds: float, width: int, one: Callable[[], Awaitable[float]]) -> Rate:
    """`one` returns the CPU milliseconds of a score; `width` of them run at a time."""
    walls: list[float] = []
    cpus: list[float] = []
    until = time.perf_counter() + seconds

    async def loop() -> None:
        while time.perf_counter() < until:
            started = time.perf_counter()
            cpus.append(await one())
            walls.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(loop() for _ in range(width)))
    elapsed = time.perf_counter() - started
    walls.sort()
    return Rate(
        per_second=round(len(walls) / elapsed, 1),
        p50_ms=round(1000 * walls[len(walls) // 2], 1),
        p99_ms=round(1000 * walls[int(len(walls) * 0.99)], 1),
        cpu_ms=round(statistics.mean(cpus), 2),
    )


async def warm_lanes(
    backend: Backend, settings: RewardSettings, source: str, seconds: float
) -> Rate:
    function = Function.parse("bench", "", source)
    body = payload(function, CASE)
    pool = LanePool(backend, settings)
    try:
        await pool.warm(function.lane_class, settings.reward_lanes)

        async def one() -> float:
            outcome = await pool.evaluate(function.lane_class, body)
            assert outcome.status is Status.OK, outcome
            return outcome.cpu_ms

        return await measure(seconds, settings.reward_lanes, one)
    finally:
        await pool.close()


async def docker_run(backend: DockerBackend, width: int, seconds: float) -> Rate:
    """A fresh container for each score: what a lane would be without being warm."""
    function = Function.parse("bench", "", TRIVIAL)
    options = backend._options(function.lane_class, 20_000)  # noqa: SLF001 - the same flags
    program = f"{TRIVIAL}\nprint(reward('p', '1', {{'a': '1'}}))"
    options |= {
        "entrypoint": [options["entrypoint"][0], "-I", "-S", "-c", program],
        "command": None,
        "stdin_open": False,
        "auto_remove": False,
        "log_config": None,
    }

    def run() -> float:
        container = backend._client.containers.create(**options)  # noqa: SLF001
        try:
            container.start()
            assert container.wait()["StatusCode"] == 0
            assert container.logs() == b"1.0\n"
        finally:
            container.remove(force=True)
        return 0.0

    return await measure(seconds, width, lambda: asyncio.to_thread(run))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sandbox", choices=["docker", "process"], default="docker")
    options = parser.parse_args()
    settings = RewardSettings(sandbox=options.sandbox, reward_lanes=options.lanes)
    backend = open_backend(settings)
    try:
        result: dict[str, object] = {
            "lanes": options.lanes,
            "load": os.getloadavg()[0],
            **backend.describe(),
        }
        lanes = await warm_lanes(backend, settings, TRIVIAL, options.seconds)
        result["trivial"] = asdict(lanes)
        result["per_core"] = round(lanes.per_second / min(options.lanes, os.cpu_count() or 1), 1)
        result["triton"] = asdict(await warm_lanes(backend, settings, TRITON, options.seconds))
        if isinstance(backend, DockerBackend):
            cold = await docker_run(backend, options.lanes, options.seconds)
            result["docker_run"] = asdict(cold)
            result["ratio"] = round(lanes.per_second / cold.per_second, 1)
        print(json.dumps(result, indent=2))
    finally:
        backend.close()


if __name__ == "__main__":
    asyncio.run(main())
