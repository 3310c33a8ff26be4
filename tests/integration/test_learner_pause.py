"""Pausing, budgets and resuming on a real nats-server: nothing is lost, nothing is done twice."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, SFT, Pipeline, in_order, nothing, pipeline_on
from learner_runs import Crash, at_step, rl, run

from burnish.bus import Bus, topology
from burnish.stopping import stop
from burnish.v1 import events_pb2, job_pb2
from svc_learner import job
from svc_learner.rest import JobPausedError, Pause, Rest
from svc_learner.session import Session
from svc_learner.state.store import RunStore

PAUSED, SUCCEEDED = job_pb2.JOB_STATE_PAUSED, job_pb2.JOB_STATE_SUCCEEDED
CANCELLED = job_pb2.JOB_STATE_CANCELLED
HELD_OUT = {"evaluation_file": "file-1"}
EARLY: dict[str, Any] = {
    **HELD_OUT,
    "deterministic": True,
    "evaluation": {"every_steps": 1},
    "early_stopping": {"patience": 9},
}


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


async def undisturbed(pipeline: Pipeline, *stages: object, **spec: object) -> str:
    """The digest that the job's adapter has when nothing happens to it."""
    job_id, pipeline.job_id = pipeline.job_id, "job-0"
    await pipeline.submit(*stages, **spec)
    digest = (await run(pipeline)).adapter.blob.sha256
    pipeline.job_id = job_id
    return digest


async def last_request(pipeline: Pipeline) -> events_pb2.JobRequested:
    found = await pipeline.bus.js.get_last_msg(
        topology.JOBS_STREAM.name, topology.job_requested.subject("default", "job-1")
    )
    return events_pb2.JobRequested.FromString(found.data or b"")


async def check_steps(pipeline: Pipeline, count: int) -> None:
    steps = await pipeline.steps()
    assert [step.step for step in steps] == list(range(1, count + 1))
    learned = [group for step in steps for group in step.group_ids]
    assert len(learned) == len(set(learned))


@pytest.mark.parametrize("step", [2, 4, 5, 7])
async def test_a_paused_job_goes_on_to_the_same_adapter(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Step 2 is in the warm-up, 4 at its end, 7 the last one before the final evaluation."""
    expected = await undisturbed(pipeline, SFT, RL, deterministic=True, **HELD_OUT)
    await pipeline.submit(SFT, RL, deterministic=True, **HELD_OUT)
    at_step(monkeypatch, step, pipeline.pause)
    rests = await run(pipeline, learner_checkpoint_seconds=0)
    assert (rests.state, rests.policy_version) == (PAUSED, step)
    assert "burnish jobs resume job-1" in rests.message
    again = await run(pipeline)
    assert again == rests, "a second delivery finds a job that rests"

    await pipeline.resume()
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    assert ended.resumes == 1
    assert ended.adapter.blob.sha256 == expected
    await check_steps(pipeline, 7)
    said = [e.state for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    assert said.count(PAUSED) == 1
    assert said[-1] == SUCCEEDED


async def test_a_job_is_paused_before_a_learner_has_it(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT)
    await pipeline.pause()
    assert (await run(pipeline)).state == PAUSED
    assert await pipeline.steps() == []
    await pipeline.resume()
    assert (await run(pipeline)).state == SUCCEEDED


async def test_a_paused_job_is_cancelled(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT)
    await pipeline.pause()
    await run(pipeline)
    await pipeline.wish(cancelled=True, resumes=1)
    assert (await run(pipeline)).state == CANCELLED


async def test_a_pause_does_not_wait_for_scores_that_do_not_come(pipeline: Pipeline) -> None:
    pipeline.deliver = nothing
    await pipeline.submit(RL)
    work = asyncio.create_task(run(pipeline, learner_stall_seconds=0.2))
    await pipeline.asked.wait()
    await pipeline.pause()
    async with asyncio.timeout(5):
        assert (await work).state == PAUSED


async def test_seconds_of_waiting_count(pipeline: Pipeline) -> None:
    pipeline.deliver = nothing
    await pipeline.submit(RL, budget={"seconds": 0.5})
    rests = await run(pipeline, learner_stall_seconds=0.6)
    assert rests.state == PAUSED
    assert "budget of 0.5 seconds" in rests.message


async def test_a_pause_does_not_wait_for_an_evaluation(pipeline: Pipeline) -> None:
    async def withheld(
        bus: Bus, request: events_pb2.RolloutRequested, found: list[Message]
    ) -> None:
        if ".eval-step-" not in request.group_id:
            await in_order(bus, request, found)
        elif request.group_id.endswith(".0"):
            await pipeline.pause()

    expected = await undisturbed(pipeline, RL, **EARLY)
    pipeline.deliver = withheld
    await pipeline.submit(RL, **EARLY)
    rests = await run(pipeline, learner_stall_seconds=3)
    assert (rests.state, rests.policy_version) == (PAUSED, 1)

    pipeline.deliver = in_order
    for request in [
        r for r in pipeline.requests if r.job_id == "job-1" and ".eval-step-" in r.group_id
    ]:
        await in_order(pipeline.bus, request, pipeline.answer(request))
    await pipeline.resume()
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    assert ended.adapter.blob.sha256 == expected


@pytest.mark.parametrize(
    ("budget", "step", "words"),
    [
        ({"steps": 5}, 5, "its budget of 5 steps is used up (5)"),
        ({"tokens": 100}, 6, "its budget of 100 tokens is used up"),
        ({"seconds": 0.001}, 0, "its budget of 0.001 seconds is used up"),
    ],
)
async def test_a_budget_pauses_with_a_checkpoint_and_a_higher_one_goes_on(
    pipeline: Pipeline, budget: dict[str, float], step: int, words: str
) -> None:
    expected = await undisturbed(pipeline, SFT, RL, deterministic=True)
    await pipeline.submit(SFT, RL, deterministic=True, budget=budget)
    rests = await run(pipeline)
    (unit,) = budget
    assert rests.state == PAUSED
    assert words in rests.message
    assert rests.message.endswith(f"`burnish jobs resume job-1 --{unit} <more>`")
    assert rests.policy_version == rests.usage.steps == step
    assert getattr(rests.usage, unit) >= budget[unit]

    await pipeline.resume(**{unit: 100_000})
    ended = await run(pipeline)
    assert ended.state == SUCCEEDED, ended.message
    assert ended.adapter.blob.sha256 == expected
    assert ended.usage.steps == 7
    last = (await pipeline.steps())[-1]
    assert last.usage.tokens == ended.usage.tokens


async def test_a_budget_of_all_steps_does_not_stand_in_the_way_of_the_end(
    pipeline: Pipeline,
) -> None:
    await pipeline.submit(SFT, RL, budget={"steps": 7}, **HELD_OUT)
    assert (await run(pipeline)).state == SUCCEEDED


async def test_tokens_are_counted_once_across_a_crash(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pipeline.submit(rl(max_staleness=0), deterministic=True, **HELD_OUT)
    with monkeypatch.context() as patch:
        at_step(patch, 2, crash)
        with pytest.raises(Crash):
            await run(pipeline)
    ended = await run(pipeline)
    completions = 5 + 2 * 3 * 3 + 5  # base, three steps of two groups of three, final
    assert ended.usage.tokens >= completions * (3 + 3)
    replayed = sum(len(text) + 1 + 3 for text in ("x", "yz")) * 3
    assert ended.usage.tokens == completions * (3 + 3) + replayed


async def crash() -> None:
    raise Crash


@pytest.mark.parametrize("moment", ["before the record", "after the record"])
async def test_a_crash_around_the_pause_loses_nothing(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    record, after = RunStore.record, moment == "after the record"

    async def dying(store: RunStore, state: job_pb2.JobState, message: str) -> None:
        if state != PAUSED or after:
            await record(store, state, message)
        if state == PAUSED:
            raise Crash

    await pipeline.submit(SFT, RL)
    with monkeypatch.context() as patch:
        at_step(patch, 5, pipeline.pause)
        patch.setattr(RunStore, "record", dying)
        with pytest.raises(Crash):
            await run(pipeline)
    assert (await run(pipeline)).state == PAUSED
    await pipeline.resume()
    assert (await run(pipeline)).state == SUCCEEDED
    await check_steps(pipeline, 7)
    said = [e.state for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    assert said.count(PAUSED) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_any_mix_of_pauses_and_crashes_ends_in_the_same_adapter(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    stages = SFT, rl(max_staleness=2)
    expected = await undisturbed(pipeline, *stages, deterministic=True)
    rng, save, disturbances = random.Random(seed), Session.save_meanwhile, 0

    async def disturbed(session: Session, **how: Any) -> None:  # noqa: ANN401
        if rng.random() < 0.15:
            raise Crash
        await save(session, **how)
        if rng.random() < 0.15:
            raise Crash
        if rng.random() < 0.4:
            await pipeline.pause()
            await asyncio.sleep(0.05)

    await pipeline.submit(*stages, deterministic=True)
    monkeypatch.setattr(Session, "save_meanwhile", disturbed)
    for _ in range(100):
        try:
            rests = await run(pipeline, learner_checkpoint_seconds=0)
        except Crash:
            disturbances += 1
            continue
        if rests.state == SUCCEEDED:
            break
        assert rests.state == PAUSED, rests.message
        disturbances += 1
        await pipeline.resume()
    assert disturbances
    assert rests.adapter.blob.sha256 == expected
    await check_steps(pipeline, 7)


async def test_a_resume_that_overtakes_the_pause_asks_for_the_job_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = RunStore.record

    async def slow(store: RunStore, state: job_pb2.JobState, message: str) -> None:
        if state == PAUSED:
            await pipeline.resume()
        await record(store, state, message)

    await pipeline.submit(SFT)
    await pipeline.pause()
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "record", slow)
        assert (await run(pipeline)).resumes == 0
    assert (await last_request(pipeline)).resumes == 1
    assert (await run(pipeline)).state == SUCCEEDED


async def test_a_resume_while_the_pause_is_saved_takes_it_back(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Session.save_meanwhile

    async def saving(session: Session, **how: Any) -> None:  # noqa: ANN401
        await save(session, **how)
        await session.settle()
        desired = await pipeline.desired()
        if session.progress.version == 2 and not desired.resumes:
            await (pipeline.resume() if desired.paused else pipeline.pause())
            await asyncio.sleep(0.1)

    await pipeline.submit(SFT)
    monkeypatch.setattr(Session, "save_meanwhile", saving)
    ended = await run(pipeline, learner_checkpoint_seconds=0)
    assert (ended.state, ended.resumes) == (SUCCEEDED, 1)


async def test_a_resume_behind_the_decision_to_pause_is_not_lost(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Rest.take

    def late(rest: Rest, pause: Pause) -> JobPausedError:
        error = take(rest, pause)
        resuming.append(asyncio.create_task(pipeline.resume()))
        return error

    async def slowly(tasks: Iterable[asyncio.Task[Any]]) -> None:
        if resuming:
            await asyncio.gather(*resuming)
            await asyncio.sleep(0.1)  # whoever listens still may hear of it
        await stop(tasks)

    resuming: list[asyncio.Task[None]] = []
    await pipeline.submit(SFT)
    at_step(monkeypatch, 2, pipeline.pause)
    monkeypatch.setattr(Rest, "take", late)
    monkeypatch.setattr(job, "stop", slowly)
    rests = await run(pipeline, learner_checkpoint_seconds=0)
    assert (rests.state, rests.resumes) == (PAUSED, 0)
    assert (await last_request(pipeline)).resumes == 1
    assert (await run(pipeline)).state == SUCCEEDED


async def test_a_request_that_was_overtaken_is_dropped(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT)
    await pipeline.pause()
    await run(pipeline)
    await pipeline.resume()
    late = await pipeline.runner()
    late._asked = 0
    await late.run()
    assert (await pipeline.record()).state == PAUSED, "the newer request will run it"
    store = await RunStore.open(pipeline.bus, "job-1")
    store.hear(1)
    await store.take_over(1)
    await late.run()
    assert (await pipeline.record()) == store.run
