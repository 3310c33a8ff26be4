"""Several learners share the jobs: nothing is lost, nothing is done twice, nobody fights."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import torch
from learner_pipeline import RL, SFT, Pipeline, pipeline_on
from learners import Pace, end_of, holds, jobs_of, learner, run_of, submit, until

from burnish import service
from burnish.v1 import events_pb2, job_pb2
from svc_learner import app
from svc_learner.engine.policy import Policy
from svc_learner.sharing import balance

SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED


@pytest.fixture
async def pipeline(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pipeline]:
    """With learners that look at each other five times a second."""
    monkeypatch.setattr(service, "STATUS_SECONDS", 0.2)
    monkeypatch.setattr(balance, "TEND_SECONDS", 0.2)
    for module in (app, balance):
        monkeypatch.setattr(module, "ASIDE_SECONDS", 0.5)
    async with pipeline_on(nats_url) as running:
        yield running


def sft(**changes: object) -> dict[str, Any]:
    return {"sft": SFT["sft"] | changes}


def rl(**changes: object) -> dict[str, Any]:
    return {"rl": RL["rl"] | {"sft_replay": 0} | changes}


async def check_steps(pipeline: Pipeline, job_id: str, count: int) -> None:
    pipeline.job_id = job_id
    steps = await pipeline.steps()
    assert [step.step for step in steps] == list(range(1, count + 1))
    learned = [group for step in steps for group in step.group_ids]
    assert len(learned) == len(set(learned)), "no group is learned from twice"


async def said(pipeline: Pipeline, job_id: str, words: str) -> int:
    pipeline.job_id = job_id
    updates = [e for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    return sum(words in update.message for update in updates)


async def heard(pipeline: Pipeline, job_id: str, words: str) -> None:
    async with asyncio.timeout(20):
        while not await said(pipeline, job_id, words):  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.1)


async def test_a_learner_that_ends_hands_its_jobs_over_at_once(pipeline: Pipeline) -> None:
    pipeline.deliver = pace = Pace(0.5)
    async with learner(pipeline, "first") as first:
        await submit(pipeline, "job-1", SFT, rl(steps=8))
        await submit(pipeline, "job-2", rl(steps=8))
        await until(lambda: jobs_of(first) == 2 and len(pipeline.requests) > 6)
    runs = [await run_of(pipeline, job_id) for job_id in ("job-1", "job-2")]
    assert all(run is not None and run.state == job_pb2.JOB_STATE_RUNNING for run in runs)
    pace.seconds = 0
    async with learner(pipeline, "second"):
        for job_id, steps in (("job-1", 12), ("job-2", 8)):
            assert (await end_of(pipeline, job_id)).state == SUCCEEDED
            await check_steps(pipeline, job_id, steps)
            assert await said(pipeline, job_id, "handed over") == 1


async def test_an_idle_learner_is_given_a_job_and_both_go_on(pipeline: Pipeline) -> None:
    pipeline.deliver = pace = Pace(1)  # no job ends before one has moved
    async with learner(pipeline, "first", learner_move_seconds=0.3) as first:
        await submit(pipeline, "job-1", rl(steps=14))
        await submit(pipeline, "job-2", rl(steps=14))
        await until(lambda: jobs_of(first) == 2)
        async with learner(pipeline, "second", learner_move_seconds=0.3) as second:
            await until(lambda: jobs_of(second) == 1 and jobs_of(first) == 1)
            pace.seconds = 0.1
            for job_id in ("job-1", "job-2"):
                assert (await end_of(pipeline, job_id)).state == SUCCEEDED
                await check_steps(pipeline, job_id, 14)
            moves = [await said(pipeline, job, "handed over") for job in ("job-1", "job-2")]
            assert sum(moves) == 1, "no tug of war"


async def test_a_job_goes_to_the_learner_that_holds_its_base_model(pipeline: Pipeline) -> None:
    async with learner(pipeline, "holder") as holder:
        await submit(pipeline, "job-1", SFT)
        await end_of(pipeline, "job-1")
        await until(lambda: jobs_of(holder) == 0)
        async with learner(pipeline, "other") as other:
            for number in range(2, 5):
                await submit(pipeline, f"job-{number}", SFT)
                assert (await end_of(pipeline, f"job-{number}")).state == SUCCEEDED
                await until(lambda: jobs_of(holder) == 0)
            assert holds(holder) == "tiny"
            assert holds(other) == ""


async def test_learners_are_bound_to_base_models(pipeline: Pipeline) -> None:
    async with learner(pipeline, "bound", learner_base_models="large, huge") as bound:
        await submit(pipeline, "job-1", SFT)
        await heard(pipeline, "job-1", "no learner that runs is for")
        async with learner(pipeline, "fitting", learner_base_models="tiny"):
            assert (await end_of(pipeline, "job-1")).state == SUCCEEDED
        assert holds(bound) == ""


async def test_a_failing_job_leaves_no_trace_in_the_one_beside_it(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with learner(pipeline, "first"):
        await submit(pipeline, "alone", sft(epochs=3), deterministic=True)
        undisturbed = await end_of(pipeline, "alone")
        start_stage = Policy.start_stage

        def poison(policy: Policy, *arguments: float) -> None:
            start_stage(policy, *arguments)
            if policy.adapter.rank == 8:
                with torch.no_grad():
                    policy.adapter.flat.fill_(torch.nan)
            if policy.adapter.rank == 16:
                raise ZeroDivisionError("a bug")

        monkeypatch.setattr(Policy, "start_stage", poison)
        await submit(pipeline, "poisoned", sft(epochs=3), lora={"rank": 8})
        await submit(pipeline, "buggy", sft(epochs=3), lora={"rank": 16})
        await submit(pipeline, "beside", sft(epochs=3), deterministic=True)
        beside = await end_of(pipeline, "beside")
        poisoned = await end_of(pipeline, "poisoned")
        buggy = await end_of(pipeline, "buggy")
    assert beside.state == SUCCEEDED
    assert beside.adapter.blob.sha256 == undisturbed.adapter.blob.sha256
    assert "not finite" in poisoned.message
    assert "ZeroDivisionError: a bug" in buggy.message
