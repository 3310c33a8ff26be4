"""A lane that fails in the midst of a kernel's evaluation: its own fault, and nobody's verdict."""

import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

PROGRAM = Program.triton(RewardDefinition(preset="triton"))
LIMITS = Limits(wall=60.0, memory=1 << 30)
TASK = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return x + 1.0
def get_inputs():
    return [torch.randn(4, 8)]
def get_init_inputs():
    return []
"""
SLOW = """
import time
import torch
import triton
import triton.language as tl

@triton.jit
def kernel(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    mask = offsets < size
    tl.store(out_ptr + offsets, tl.load(x_ptr + offsets, mask=mask) + 1.0, mask=mask)

class ModelNew(torch.nn.Module):
    def forward(self, x):
        total = 0
        for _ in range(5_000_000):
            total += 1
        out = torch.empty_like(x)
        kernel[(1,)](x, out, x.numel(), BLOCK=32)
        return out
"""


@pytest.fixture
def lane() -> Iterator[WarmLane]:
    backend = ProcessBackend(RewardSettings(sandbox="process"))
    lane = WarmLane.start(backend, PROGRAM.lane_class)
    yield lane
    lane.close()
    backend.close()


def judge(lane: WarmLane, workers: int = PROGRAM.workers) -> Outcome:
    payload = PROGRAM.payload(Case("p", SLOW, {"task": TASK}), seed=7)
    return lane.evaluate(payload, LIMITS._replace(workers=workers))


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def zygotes(lane: WarmLane) -> list[int]:
    """The one that interprets, and its child, which compiles: the end of an idle lane's chain."""
    chain = [lane._process._process.pid]
    while found := children(chain[-1]):
        chain.append(found[0])
    return chain[-2:]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def starve(pid: int) -> None:
    """Leave a zygote no descriptor to take an order with."""
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (8, 8))


@pytest.mark.parametrize("which", [0, 1], ids=["interpreting", "compiling"])
@pytest.mark.parametrize("harm", [kill, starve])
def test_a_zygote_that_fails_is_no_verdict(
    lane: WarmLane, harm: Callable[[int], None], which: int
) -> None:
    harm(zygotes(lane)[which])
    result = judge(lane)
    assert (result.status, result.value, result.parts) == (Status.LANE_ERROR, None, {}), result
    assert not result.blames_completion
    assert not lane.usable


def test_a_zygote_that_dies_while_a_kernel_runs_is_no_verdict(lane: WarmLane) -> None:
    interpreting = zygotes(lane)[0]
    results: list[Outcome] = []
    thread = threading.Thread(target=lambda: results.append(judge(lane)))
    thread.start()
    deadline = time.monotonic() + 20.0
    # The compiling one, the judge and the kernel.
    while len(children(interpreting)) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    kill(interpreting)
    thread.join()
    assert results[0].status is Status.LANE_ERROR, results


def test_a_judge_that_is_refused_a_worker_is_no_verdict(lane: WarmLane) -> None:
    """One for the kernel is granted, none for the compiler."""
    result = judge(lane, workers=1)
    assert (result.status, result.value, result.parts) == (Status.LANE_ERROR, None, {}), result
    assert "got no worker: at most 1 processes" in result.message
