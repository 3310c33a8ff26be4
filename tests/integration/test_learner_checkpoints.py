"""Which checkpoints a job keeps, and that no crash leaves others behind."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from learner_pipeline import RL, SFT, Pipeline, pipeline_on
from learner_runs import Crash, at_step, rl, run

from burnish.bus import Bucket, topology
from burnish.bus.blobs import Blobs
from burnish.v1 import common_pb2, job_pb2
from svc_learner.algorithms.metrics import Tally
from svc_learner.pipeline.desk import GroupDesk
from svc_learner.session import Session
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.store import RunStore

RUNNING = job_pb2.JOB_STATE_RUNNING
SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED
CANCELLED = job_pb2.JOB_STATE_CANCELLED


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


async def names(pipeline: Pipeline) -> set[str]:
    return set(await pipeline.bus.blobs.names(topology.OBJECTS_CHECKPOINTS, "job-1/"))


def listed(run: job_pb2.JobRun) -> dict[int, list[str]]:
    return {each.step: list(each.reasons) for each in run.checkpoints}


async def test_kept_checkpoints_stay_and_the_others_go(pipeline: Pipeline) -> None:
    keep = {"every_steps": 2, "keep": 2}
    await pipeline.submit(SFT, rl(steps=5), checkpoints=keep)
    ended = await run(pipeline)
    assert listed(ended) == {
        9: ["newest", "stage"],
        8: ["periodic"],
        6: ["periodic"],
        4: ["stage"],
    }
    kept = {each.blob.name for each in ended.checkpoints} | {ended.checkpoint.name}
    assert await names(pipeline) == kept
    middle = ended.checkpoints[1]
    content = Checkpoint.unpack(await pipeline.bus.blobs.get(middle.blob))
    assert (content.progress.version, content.progress.step) == (8, 4)
    assert (middle.stage, middle.adapter.name) == ("rl", "job-1:v8")
    assert middle.HasField("time")


async def test_a_cancelled_job_keeps_its_last_checkpoint_and_adapter(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pipeline.submit(SFT, RL)
    at_step(monkeypatch, 6, pipeline.cancel)
    ended = await run(pipeline)
    assert ended.state == CANCELLED
    assert listed(ended) == {6: ["newest"], 4: ["stage"]}
    assert ended.adapter.name == "job-1:v6"
    assert Checkpoint.unpack(await pipeline.bus.blobs.get(ended.checkpoints[0].blob))


@pytest.mark.parametrize("moment", ["before the write", "after the write"])
async def test_a_crash_within_a_commit_leaves_no_object_behind(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    write, after = RunStore._write, moment == "after the write"

    async def dying(store: RunStore, record: job_pb2.JobRun) -> None:
        if record.policy_version == 6 and not after:
            raise Crash
        await write(store, record)
        if record.policy_version == 6:
            raise Crash

    await pipeline.submit(SFT, rl(steps=4))
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "_write", dying)
        with pytest.raises(Crash):
            await run(pipeline)
    ended = await run(pipeline)
    kept = {each.blob.name for each in ended.checkpoints} | {ended.checkpoint.name}
    assert await names(pipeline) == kept


async def test_a_write_that_nobody_waited_for_is_the_learners_own(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a job is cancelled while its step is being saved."""
    await pipeline.submit(SFT)
    store = await RunStore.open(pipeline.bus, pipeline.job_id)
    await store.take_over(1)
    update = Bucket.update

    async def unanswered(bucket: Bucket[job_pb2.JobRun], *write: Any) -> int:  # noqa: ANN401
        await update(bucket, *write)
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "update", unanswered)
        with pytest.raises(asyncio.CancelledError):
            await store.record(RUNNING, "step 1")
    await store.record(CANCELLED, "cancelled")
    assert (await pipeline.record()).state == CANCELLED


@pytest.mark.parametrize("deterministic", [False, True])
async def test_a_step_is_saved_beside_the_next_ones_gradients(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, *, deterministic: bool
) -> None:
    """But nothing is dispatched meanwhile: groups name policies that can be had."""
    put, learn, dispatch = Blobs.put, Session.learn, GroupDesk.dispatch
    storing = 0
    beside: Counter[str] = Counter()

    async def slow(blobs: Blobs, *blob: Any) -> common_pb2.ObjectRef:  # noqa: ANN401
        nonlocal storing
        storing += 1
        try:
            await asyncio.sleep(0.1)
            return await put(blobs, *blob)
        finally:
            storing -= 1

    async def learning(session: Session, *lesson: Any) -> Tally:  # noqa: ANN401
        beside["learn"] += storing > 0
        return await learn(session, *lesson)

    async def dispatching(desk: GroupDesk, *group: Any) -> None:  # noqa: ANN401
        beside["dispatch"] += storing > 0
        await dispatch(desk, *group)

    monkeypatch.setattr(Blobs, "put", slow)
    monkeypatch.setattr(Session, "learn", learning)
    monkeypatch.setattr(GroupDesk, "dispatch", dispatching)
    await pipeline.submit(rl(steps=4), deterministic=deterministic)
    assert (await run(pipeline)).state == SUCCEEDED
    assert beside["dispatch"] == 0
    assert (beside["learn"] > 0) != deterministic
