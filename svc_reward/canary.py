"""A kernel that is known to be right, judged by a GPU's lane before it may judge others.

A device that hangs, or was poisoned by an earlier kernel, makes right kernels look wrong. So a lane
that does not find this one right never comes to give a score.
"""

import json
from typing import Protocol

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import SandboxError
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome

SECONDS = 60.0
"""For the first kernel on a device, with everything that is loaded for it."""
OPTIONS = {"trials": 1, "weights": {"correct": 1.0}}
"""Without a weight for speed, nothing is timed."""
TASK = """\
import torch

SIZE = 300


class Model(torch.nn.Module):
    def forward(self, x):
        return x * 2.0 + 1.0


def get_inputs():
    return [torch.randn(SIZE)]


def get_init_inputs():
    return []
"""
KERNEL = """\
import torch
import triton
import triton.language as tl


@triton.jit
def kernel(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask)
    tl.store(out_ptr + offsets, x * 2.0 + 1.0, mask=mask)


class ModelNew(torch.nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(triton.cdiv(x.numel(), 256),)](x, out, x.numel(), BLOCK=256)
        return out
"""


def is_due(found: Outcome) -> bool:
    """Whether an evaluation may have failed for its device, or may have harmed it.

    An error such as an illegal address is the kernel's own, one such as an uncorrectable memory error
    is not, and a kernel can print either: only another kernel on the same device tells them apart.
    """
    if found.infrastructure:  # is tried again anyway
        return False
    return found.status is not Status.OK or "CUDA error" in found.message


class Lane(Protocol):
    """What is checked: `WarmLane`, above all."""

    def evaluate(self, payload: bytes, limits: Limits) -> Outcome: ...


def check(lane: Lane, limits: Limits, *, gpu: bool, kernel: str = KERNEL) -> None:
    """Have a lane judge the kernel.

    Args:
        lane: newly started.
        limits: of an evaluation.
        gpu: it judges on a GPU.
        kernel: another one, to see the check fail.

    Raises:
        SandboxError: the lane does not find it right; says what it found.
    """
    program = Program.triton(RewardDefinition(preset="triton", options=OPTIONS))
    if gpu:
        program = program.on_gpu()
    case = Case("", kernel, {"task": TASK, "shapes": json.dumps([{"SIZE": 41}])})
    limits = limits._replace(wall=min(limits.wall, SECONDS), workers=program.workers)
    found = lane.evaluate(program.payload(case, seed=1), limits)
    right = found.status is Status.OK and found.parts.get("correct") == 1.0 and not found.flags
    if not right:
        raise SandboxError(
            "a kernel that is known to be right does not pass in a lane for kernels"
            f" ({found.status.name.lower()}): {found.message or 'no message'}"
        )
