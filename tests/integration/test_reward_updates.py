"""Rewards that change while a job runs: at their step, not before, and the same after a crash."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, Pipeline, pipeline_on, publish

from burnish.bus import Bus
from burnish.v1 import events_pb2, job_pb2
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.store import RunStore


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


def rl(**changes: object) -> dict[str, object]:
    return {"rl": RL["rl"] | {"max_staleness": 0, "sft_replay": 0} | changes}


def carried(pipeline: Pipeline) -> list[tuple[int, str]]:
    """(step, names of the rewards) of each dispatched group, once for each step."""
    found = {
        (request.context.step + 1, ",".join(ref.name for ref in request.rewards))
        for request in pipeline.requests
    }
    return sorted(found)


async def updates(pipeline: Pipeline) -> list[events_pb2.RewardsUpdated]:
    return [e for e in await pipeline.events() if isinstance(e, events_pb2.RewardsUpdated)]


async def test_a_set_applies_from_its_stated_step_on(pipeline: Pipeline) -> None:
    await pipeline.submit(rl(steps=4))
    await pipeline.update_rewards("good", "other", from_step=3)
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).reward_set == 2
    assert carried(pipeline) == [(1, "good"), (2, "good"), (3, "good,other"), (4, "good,other")]
    (event,) = await updates(pipeline)
    assert (event.step, event.before.number, event.after.number) == (3, 1, 2)
    assert [ref.name for ref in event.after.rewards] == ["good", "other"]
    assert [step.metrics["reward_set"] for step in await pipeline.steps()] == [1, 1, 2, 2]


async def test_a_set_without_a_step_waits_for_the_next_boundary(pipeline: Pipeline) -> None:
    """It comes while step 1 is being sampled: that step's groups keep what they carry."""
    updated = False

    async def deliver(bus: Bus, _: events_pb2.RolloutRequested, messages: list[Message]) -> None:
        nonlocal updated
        if not updated:
            updated = True
            await pipeline.update_rewards("other")
            await asyncio.sleep(0.5)
        for message in messages:
            await publish(bus, message)

    pipeline.deliver = deliver
    await pipeline.submit(rl(steps=3))
    await (await pipeline.runner()).run()
    assert carried(pipeline) == [(1, "good"), (2, "other"), (3, "other")]
    assert [event.step for event in await updates(pipeline)] == [2]


async def test_an_update_in_the_queue_applies_from_the_first_step_on(pipeline: Pipeline) -> None:
    await pipeline.submit(rl(steps=2))
    await pipeline.update_rewards("other")
    await (await pipeline.runner()).run()
    assert carried(pipeline) == [(1, "other"), (2, "other")]
    assert [event.step for event in await updates(pipeline)] == [1]


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
@pytest.mark.parametrize("version", [2, 3])
async def test_a_takeover_keeps_the_set_that_was_in_force(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, version: int, moment: str
) -> None:
    commit, crashed = RunStore.commit, False

    async def dying(store: RunStore, checkpoint: Checkpoint, **rest: Any) -> None:  # noqa: ANN401
        nonlocal crashed
        dies = checkpoint.progress.version == version and not crashed
        crashed = crashed or dies
        if dies and moment == "before the commit":
            raise Crash
        await commit(store, checkpoint, **rest)
        if dies:
            raise Crash

    monkeypatch.setattr(RunStore, "commit", dying)
    await pipeline.submit(rl(steps=4))
    await pipeline.update_rewards("other", from_step=3)
    with pytest.raises(Crash):
        await (await pipeline.runner()).run()
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).state == job_pb2.JOB_STATE_SUCCEEDED
    assert carried(pipeline) == [(1, "good"), (2, "good"), (3, "other"), (4, "other")]
    assert [event.step for event in await updates(pipeline)] == [3]
