"""Triton kernels judged per second, and how much of the CPU time is the kernels' own.

    python benchmarks/reward_triton.py [--short] [--json] [--sandbox docker] [--lanes 2]

The limit is one warm interpreter process that does nothing but call the same kernels as often as the
grader does, without isolation, hidden inputs, comparison or compilation. The last line is a JSON
object; the ratios are what counts.
"""

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.lane.kernels import trials
from svc_reward.lane.wire import Status
from svc_reward.lane_pool import LanePool
from svc_reward.sandbox import open_backend

TRIALS = 3
SEED = 7
MODEL = """
import torch
{sizes}
class Model(torch.nn.Module):
    def forward(self, {names}):
        return {body}
def get_inputs():
    return [{inputs}]
def get_init_inputs():
    return []
"""
IMPORTS = "import torch\nimport triton\nimport triton.language as tl\n"
AFFINE = """
@triton.jit
def affine(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + at, mask=at < size)
    tl.store(out_ptr + at, x * 2.0 + 1.0, mask=at < size)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        affine[(triton.cdiv(x.numel(), 1024),)](x, out, x.numel(), BLOCK=1024)
        return out
"""
SOFTMAX = """
@triton.jit
def softmax(x_ptr, out_ptr, columns, BLOCK: tl.constexpr):
    at = tl.arange(0, BLOCK)
    start = tl.program_id(0) * columns
    x = tl.load(x_ptr + start + at, mask=at < columns, other=-float("inf"))
    e = tl.exp(x - tl.max(x, axis=0))
    tl.store(out_ptr + start + at, e / tl.sum(e, axis=0), mask=at < columns)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        softmax[(x.shape[0],)](x, out, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
        return out
"""
MATMUL = """
@triton.jit
def matmul(a_ptr, b_ptr, c_ptr, m, n, k, B: tl.constexpr):
    rows = (tl.program_id(0) * B + tl.arange(0, B))[:, None]
    columns = (tl.program_id(1) * B + tl.arange(0, B))[None, :]
    sums = tl.zeros((B, B), dtype=tl.float32)
    for start in range(0, k, B):
        down, across = start + tl.arange(0, B)[:, None], start + tl.arange(0, B)[None, :]
        a = tl.load(a_ptr + rows * k + across, mask=(rows < m) & (across < k), other=0.0)
        b = tl.load(b_ptr + down * n + columns, mask=(down < k) & (columns < n), other=0.0)
        sums += tl.dot(a, b, input_precision="ieee")
    tl.store(c_ptr + rows * n + columns, sums, mask=(rows < m) & (columns < n))

class ModelNew(torch.nn.Module):
    def forward(self, a, b):
        (m, k), n = a.shape, b.shape[1]
        c = torch.empty((m, n), device=a.device, dtype=a.dtype)
        matmul[(triton.cdiv(m, 32), triton.cdiv(n, 32))](a, b, c, m, n, k, B=32)
        return c
"""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A task and a right answer to it."""

    task: str
    source: str

    @classmethod
    def of(cls, source: str, body: str, inputs: str, names: str = "x") -> "Kernel":
        sizes = "rows, columns = 64, 200"
        task = MODEL.format(sizes=sizes, names=names, body=body, inputs=inputs)
        return cls(task, IMPORTS + source)


MATRIX = "torch.randn(rows, columns)"
KERNELS = {
    "affine": Kernel.of(AFFINE, "x * 2.0 + 1.0", MATRIX),
    "softmax": Kernel.of(SOFTMAX, "torch.softmax(x, dim=1)", MATRIX),
    "matmul": Kernel.of(MATMUL, "a @ b", f"{MATRIX}, torch.randn(columns, 40)", "a, b"),
}


@dataclass(frozen=True, slots=True)
class Rate:
    per_second: float
    cpu_ms: float
    """Mean of an evaluation."""


async def in_lanes(
    backend: Backend, settings: RewardSettings, kernel: Kernel, seconds: float, *, compiled: bool
) -> Rate:
    options = {"trials": TRIALS, "compile": compiled}
    program = Program.triton(RewardDefinition(preset="triton", options=options))
    limits = settings.limits(packages=True, kernels=True, workers=program.workers)
    body = program.payload(Case("", kernel.source, {"task": kernel.task}), seed=SEED)
    pool = LanePool(backend, settings)
    cpus: list[float] = []
    try:
        await pool.warm(program.lane_class, settings.reward_lanes)
        started = time.perf_counter()

        async def loop() -> None:
            for _ in itertools.count():
                found = await pool.evaluate(program.lane_class, body, limits)
                assert found.status is Status.OK, found
                assert found.parts.get("correct") == 1.0, found
                cpus.append(found.cpu_ms)
                if time.perf_counter() > started + seconds:
                    return

        await asyncio.gather(*(loop() for _ in range(settings.reward_lanes)))
        elapsed = time.perf_counter() - started
    finally:
        await pool.close()
    return Rate(round(len(cpus) / elapsed, 2), round(mean(cpus), 1))


def calls() -> int:
    """How often the grader has a kernel run for one evaluation."""
    planned = trials.plan(SEED, variants=0, strided=False, sets=TRIALS)
    return sum(trial.purpose is not trials.Purpose.ABLATED for trial in planned)


def bare(seconds: float) -> Mapping[str, Rate]:
    """The same calls in this process, which has to interpret kernels."""
    return {name: _bare(kernel, seconds) for name, kernel in KERNELS.items()}


def _bare(kernel: Kernel, seconds: float) -> Rate:
    import torch  # noqa: PLC0415 - only in the process that is the limit

    torch.set_num_threads(1)
    task, answer = _loaded(kernel.task, "task.py"), _loaded(kernel.source, "answer.py")
    model: Callable[..., Any] = answer["ModelNew"]()
    model(*task["get_inputs"]())
    done, started, cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() < started + seconds:
        for _ in range(calls()):
            model(*task["get_inputs"]())
        done += 1
    elapsed, used = time.perf_counter() - started, time.process_time() - cpu
    return Rate(round(done / elapsed, 2), round(1000 * used / done, 1))


def _loaded(source: str, filename: str) -> dict[str, Any]:
    import linecache  # noqa: PLC0415 - `triton.jit` finds the lines there

    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    names: dict[str, Any] = {"__name__": filename, "__file__": filename}
    exec(compile(source, filename, "exec"), names)
    return names


def limit(seconds: float) -> dict[str, Rate]:
    """What `bare` measures, in a process of its own."""
    command = [sys.executable, __file__, "--bare", str(seconds)]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return {name: Rate(**rate) for name, rate in json.loads(done.stdout).items()}


async def compare(options: argparse.Namespace, backend: Backend) -> dict[str, Any]:
    seconds = 2.0 if options.short else 10.0
    settings = RewardSettings(sandbox=options.sandbox, reward_lanes=options.lanes)
    result: dict[str, Any] = {"lanes": options.lanes, "calls": calls()}
    result |= {"load": round(os.getloadavg()[0], 2), **backend.describe()}
    limits = await asyncio.to_thread(limit, seconds)
    for name, kernel in KERNELS.items():
        full = await in_lanes(backend, settings, kernel, seconds, compiled=True)
        run = await in_lanes(backend, settings, kernel, seconds, compiled=False)
        own = limits[name]
        result[name] = {
            "judged": asdict(full),
            "without_compiling": asdict(run),
            "bare": asdict(own),
            "kernel_share": round(own.cpu_ms / full.cpu_ms, 3),
            "kernel_share_without_compiling": round(own.cpu_ms / run.cpu_ms, 3),
        }
        if not options.json:
            print(name, result[name], flush=True)
    result["load_after"] = round(os.getloadavg()[0], 2)
    return result


async def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--short", action="store_true", help="2 seconds of each")
    parser.add_argument("--json", action="store_true", help="only the last line")
    parser.add_argument("--lanes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sandbox", choices=["docker", "process"], default="docker")
    parser.add_argument("--bare", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.bare:
        print(json.dumps({name: asdict(rate) for name, rate in bare(options.bare).items()}))
        return
    backend = open_backend(RewardSettings(sandbox=options.sandbox))
    try:
        print(json.dumps(await compare(options, backend)))
    finally:
        backend.close()


if __name__ == "__main__":
    asyncio.run(main())
