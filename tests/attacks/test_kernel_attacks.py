"""Candidates that attack their grader, and the kernel that is judged after each."""

import json
import secrets
import textwrap
from collections.abc import Iterator

import pytest
from cases.kernels import ATTACKS, MAY_END_THE_EVALUATION

from burnish.reward_spec import RewardDefinition, TritonOptions
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

LIMITS = Limits(wall=30.0, memory=1 << 30, workers=8)

OPTIONS = json.dumps(TritonOptions(compile=False).model_dump(mode="json") | {"seconds": 4.0})

UNINSPECTED = """
import json
from burnish import sandbox
from burnish_lane.kernels import grader, inspection, kernel_module

WORKERS = sandbox.run.__self__._workers

def uninspected(completion, example):
    return inspection.Inspected(completion, kernel_module.Kernels(completion), (), "")

grader.inspect = uninspected

def reward(prompt, completion, example):
    job = {"completion": completion, "example": example, "seed": int(prompt)}
    job["options"] = json.loads(example["options"])
    record = grader.grade(job, WORKERS)
    print(record.status.name, record.message)
    return {"score": dict(record.parts)["correct"], "flags": list(record.flags)}
"""
"""The grader itself, told that every text is fine."""

TASK = """
import torch
class Model(torch.nn.Module):
    def forward(self, x):
        return torch.relu(x) * 2.0
def get_inputs():
    return [torch.randn(5, 33)]
def get_init_inputs():
    return []
"""
HONEST = """
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
    def forward(self, x):
        out = torch.empty_like(x)
        relu[(triton.cdiv(x.numel(), 64),)](x, out, x.numel(), BLOCK=64)
        return out
"""
HOSTILE = """
import torch

flag = []

def attack():
{attack}

class ModelNew(torch.nn.Module):
    def forward(self, x):
        attack()
        if flag:
            raise SystemExit("ESCAPED")
        return torch.zeros_like(x)
"""


class KernelLane:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        lane_class = Program.triton(RewardDefinition(preset="triton")).lane_class
        fixed = {"source": UNINSPECTED, "entry": "reward"}
        self._program = Program("function", lane_class, fixed)
        self.lane = WarmLane.start(backend, lane_class)

    def judge(self, completion: str) -> Outcome:
        if not self.lane.usable:
            self.lane.close()
            self.lane = WarmLane.start(self._backend, self._program.lane_class)
        example = {"task": TASK, "options": OPTIONS}
        case = Case(str(secrets.randbits(31)), completion, example)
        return self.lane.evaluate(self._program.payload(case, seed=7), LIMITS)


@pytest.fixture(
    scope="module",
    params=[pytest.param(DockerBackend, marks=pytest.mark.docker), ProcessBackend],
    ids=["docker", "process"],
)
def kernels(request: pytest.FixtureRequest) -> Iterator[KernelLane]:
    pytest.importorskip("triton")
    backend = request.param(RewardSettings())
    found = KernelLane(backend)
    yield found
    found.lane.close()
    backend.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_a_candidate_cannot_make_itself_right(kernels: KernelLane, name: str) -> None:
    attack = textwrap.indent(ATTACKS[name], "    ")
    result = kernels.judge(HOSTILE.format(attack=attack))
    assert not result.infrastructure, result
    assert "ESCAPED" not in result.message + result.stdout
    if name in MAY_END_THE_EVALUATION:
        assert result.value in {None, 0.0}, result
    else:
        assert (result.status, result.value) == (Status.OK, 0.0), result
    after = kernels.judge(HONEST)
    assert (after.status, after.value, after.flags) == (Status.OK, 1.0, ()), after
