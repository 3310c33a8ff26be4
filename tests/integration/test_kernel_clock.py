"""Timing in real lanes, with the interpreter in the place of a GPU: what it measures means nothing."""

import json
from collections.abc import Iterator

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

pytest.importorskip("triton")

LIMITS = Limits(wall=90.0, memory=1 << 30)
TASK = """
import time
import torch
rows, columns = 40, 33
class Model(torch.nn.Module):
    def forward(self, x):
        time.sleep(0.1)
        return torch.relu(x) * 2.0
def get_inputs():
    return [torch.randn(rows, columns)]
def get_init_inputs():
    return []
"""
KERNEL = """
import torch
import triton
import triton.language as tl

@triton.jit
def relu(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, tl.maximum(x, 0.0) * 2.0, mask=mask)

class ModelNew(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        assert x.is_cuda
        self.calls += 1
        out = torch.empty(x.shape, dtype=x.dtype, device="cuda")
        relu[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), BLOCK=64)
        return out
"""
RETURN = "        return out\n"
LATER = "        if self.calls > 12:\n            {}\n" + RETURN
"""More calls of one model than there are without a clock."""


@pytest.fixture(scope="module")
def lane() -> Iterator[WarmLane]:
    backend = ProcessBackend(RewardSettings(sandbox="process"))
    program = Program.triton(RewardDefinition(preset="triton"))
    lane = WarmLane.start(backend, program.lane_class)
    yield lane
    lane.close()
    backend.close()


def judge(
    lane: WarmLane,
    kernel: str,
    *,
    weights: dict[str, float] | None = None,
    limits: Limits = LIMITS,
) -> Outcome:
    options = {"weights": weights} if weights else {}
    program = Program.triton(RewardDefinition(preset="triton", options=options))
    job = json.loads(program.payload(Case("", kernel, {"task": TASK}), seed=11))
    payload = json.dumps({**job, "time": True}).encode()
    return lane.evaluate(payload, limits._replace(workers=program.workers))


def test_a_right_kernel_is_timed(lane: WarmLane) -> None:
    found = judge(lane, KERNEL)
    assert (found.status, found.flags, found.parts["correct"]) == (Status.OK, (), 1.0), found
    # How fast an interpreter is on a busy machine is not known, nor whether that can be believed.
    assert "as fast as eager PyTorch" in found.message or "speed not measured" in found.message
    if "speedup" in found.parts:
        assert 0 < found.parts["speedup"] <= 10
        assert found.value is not None
        assert found.value >= 1.0


def test_nothing_is_timed_that_earns_nothing(lane: WarmLane) -> None:
    found = judge(lane, KERNEL, weights={"correct": 1.0})
    assert (found.value, found.parts.get("speedup")) == (1.0, None)
    assert "speed" not in found.message


def test_users_cannot_ask_for_the_stand_in() -> None:
    program = Program.triton(RewardDefinition(preset="triton"))
    case = Case("", KERNEL, {"task": TASK, "time": "true", "device": "cuda"})
    assert {"time", "device"}.isdisjoint(json.loads(program.payload(case, seed=1)))


def test_a_wrong_kernel_is_not_timed(lane: WarmLane) -> None:
    found = judge(lane, KERNEL.replace("* 2.0", "* 2.5"))
    assert (found.parts["correct"], found.parts.get("speedup")) == (0.0, None)
    assert "speed" not in found.message


@pytest.mark.parametrize(
    ("late", "says"),
    [
        ("out = torch.empty_like(x)", "wrong when it was timed"),
        ("out = out.clone()[:2]", "wrong when it was timed: shape [2, 33] instead"),
        ("raise ValueError('late')", "ValueError: late"),
    ],
)
def test_what_is_right_only_until_it_is_timed(lane: WarmLane, late: str, says: str) -> None:
    found = judge(lane, KERNEL.replace(RETURN, LATER.format(late)))
    assert found.status is Status.OK, found
    assert (found.parts["correct"], found.parts.get("speedup")) == (0.0, None), found
    assert says in found.message or found.flags, found


@pytest.mark.parametrize(
    ("late", "flag"),
    [
        ("out = torch.relu(x) * 2.0", "torch_compute"),
        ("return x.mul_(2.0).relu_()", "input_alias"),
    ],
)
def test_pytorch_takes_over_when_it_is_timed(lane: WarmLane, late: str, flag: str) -> None:
    found = judge(lane, KERNEL.replace(RETURN, LATER.format(late)))
    assert (found.value, found.parts.get("speedup")) == (0.0, None), found
    assert flag in found.flags, found


def test_a_hang_against_the_clock(lane: WarmLane) -> None:
    endless = KERNEL.replace(RETURN, LATER.format("while x.numel() > 0: pass"))
    found = judge(lane, endless, limits=LIMITS._replace(wall=24.0))
    assert found.status is Status.TIMEOUT, found
    assert found.blames_completion
    assert (found.parts["correct"], found.parts.get("speedup")) == (0.0, None)
    assert judge(lane, KERNEL).parts["correct"] == 1.0
