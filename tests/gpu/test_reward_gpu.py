"""Kernels on a real GPU: `pytest -m gpu tests/gpu`, with the GPUs to use in BURNISH_LANE_GPUS."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward import canary
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.sandbox import Sandbox

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="no NVIDIA GPU"),
]
LOOP = "    while size > 0:\n        tl.atomic_add(out_ptr, 1.0)\n"
HANGS = canary.KERNEL.replace("    x = tl.load", LOOP + "    x = tl.load")
STRAYS = canary.KERNEL.replace("tl.store(out_ptr +", "tl.store(out_ptr + (1 << 40) +")


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(
        RewardSettings(
            sandbox="process",
            reward_lanes=1,
            reward_kernel_seconds=90,
            lane_gpus=os.environ.get("BURNISH_LANE_GPUS", "0"),
        )
    )
    await sandbox.open()
    yield sandbox
    await sandbox.close()


async def judge(sandbox: Sandbox, kernel: str) -> Outcome:
    program = Program.triton(RewardDefinition(preset="triton"))
    return await sandbox.evaluate(program, Case("", kernel, {"task": canary.TASK}))


async def test_a_right_kernel_is_right_and_a_wrong_one_is_wrong(sandbox: Sandbox) -> None:
    right = await judge(sandbox, canary.KERNEL)
    assert (right.status, right.parts["correct"], right.flags) == (Status.OK, 1.0, ()), right
    wrong = await judge(sandbox, canary.KERNEL.replace("+ 1.0", "+ 1.5"))
    assert (wrong.status, wrong.parts["correct"]) == (Status.OK, 0.0), wrong


async def test_a_right_kernel_is_timed(sandbox: Sandbox) -> None:
    size = 1 << 22
    program = Program.triton(RewardDefinition(preset="triton"))
    task = canary.TASK.replace("SIZE = 300", f"SIZE = {size}")
    found = await sandbox.evaluate(program, Case("", canary.KERNEL, {"task": task}))
    assert (found.status, found.parts["correct"], found.flags) == (Status.OK, 1.0, ()), found
    assert "as fast as" in found.message, found


@pytest.mark.parametrize("kernel", [HANGS, STRAYS], ids=["hangs", "strays"])
async def test_a_kernel_that_harms_the_device_harms_no_other(sandbox: Sandbox, kernel: str) -> None:
    bad = await judge(sandbox, kernel)
    assert not bad.infrastructure
    assert bad.parts.get("correct", 0.0) == 0.0
    after = await judge(sandbox, canary.KERNEL)
    assert (after.status, after.parts["correct"]) == (Status.OK, 1.0), after
