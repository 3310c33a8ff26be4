"""One process of a lane is killed while it works: the evaluation is repeated, never scored 0."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Program
from svc_reward.docker_backend import DockerBackend, DockerLane
from svc_reward.lane.wire import Limits, Status
from svc_reward.lane_pool import LanePool
from svc_reward.process_backend import ProcessBackend, ProcessLane
from svc_reward.warm_lane import WarmLane

SETTINGS = RewardSettings(reward_lanes=1)
PROGRAM = Program.python(
    RewardDefinition(source="import time\ndef reward(p, c, e):\n time.sleep(1.5)\n return 0.75")
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root sees into lanes")


@pytest.fixture(
    scope="module",
    params=[pytest.param(DockerBackend, marks=pytest.mark.docker), ProcessBackend],
    ids=["docker", "process"],
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    backend: Backend = request.param(SETTINGS)
    yield backend
    backend.close()


def broker_of(lane: WarmLane) -> int:
    process = lane._process
    if isinstance(process, DockerLane):
        process._container.reload()
        return int(process._container.attrs["State"]["Pid"])
    assert isinstance(process, ProcessLane)
    return only_child(process._process.pid)


def only_child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.mark.parametrize("part", ["broker", "zygote"])
async def test_a_part_killed_at_work_costs_no_score(backend: Backend, part: str) -> None:
    pool = LanePool(backend, SETTINGS)
    try:
        await pool.warm(PROGRAM.lane_class, 1)
        (lane,) = pool._lanes
        broker = broker_of(lane)
        victim = broker if part == "broker" else only_child(broker)
        payload = PROGRAM.payload(Case("p", "c"), seed=7)
        task = asyncio.create_task(pool.evaluate(PROGRAM.lane_class, payload, Limits()))
        await asyncio.sleep(0.5)
        os.kill(victim, signal.SIGKILL)
        result = await task
        assert (result.status, result.value) == (Status.OK, 0.75)
        assert not lane.usable
    finally:
        await pool.close()


async def test_idle_lanes_that_died_cost_no_score(backend: Backend) -> None:
    """More of them than an evaluation has attempts, as after the end of an engine."""
    pool = LanePool(backend, RewardSettings(reward_lanes=4))
    try:
        await pool.warm(PROGRAM.lane_class, 4)
        for lane in list(pool._lanes):
            await asyncio.to_thread(lane._process.kill)
        payload = PROGRAM.payload(Case("p", "c"), seed=7)
        result = await pool.evaluate(PROGRAM.lane_class, payload, Limits())
        assert (result.status, result.value) == (Status.OK, 0.75)
    finally:
        await pool.close()


async def test_lanes_that_always_die_are_no_score(backend: Backend) -> None:
    """Beyond its retries an infrastructure fault stays one."""
    pool = LanePool(backend, SETTINGS)
    try:
        payload = PROGRAM.payload(Case("p", "c"), seed=7)
        task = asyncio.create_task(pool.evaluate(PROGRAM.lane_class, payload, Limits()))
        while not task.done():
            for lane in list(pool._lanes):
                await asyncio.to_thread(lane._process.kill)
            await asyncio.sleep(0.05)
        result = await task
        assert result.infrastructure
        assert result.value is None
    finally:
        await pool.close()
