"""Deterministic jobs: whatever is repeated, reordered, lost or killed, the same adapter comes out."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, SFT, Pipeline, careless, in_order, pipeline_on, publish, scored

from burnish.bus import Bus
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner import channel, job
from svc_learner.state import store

STAGES = (SFT, {"rl": RL["rl"] | {"steps": 6, "max_staleness": 2}})
LIVES = 5
"""Learners that may die of one job, before one that cannot."""

PATIENTLY = store.patiently


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        running.answer = mixed
        yield running


def mixed(request: events_pb2.RolloutRequested) -> list[Message]:
    """Rewards that follow from the request; one group in three has nothing to teach."""
    number = int(request.group_id.rpartition(".")[2])
    if number % 3 == 0:
        return [scored(request, index, 0.5) for index in range(request.group_size)]
    rng = random.Random(f"{number}/{request.adapter.policy_version}")
    return [scored(request, index, rng.random()) for index in range(request.group_size)]


async def digest(pipeline: Pipeline) -> str:
    run = await pipeline.record()
    assert run.state == job_pb2.JOB_STATE_SUCCEEDED, run.message
    return run.adapter.blob.sha256


async def undisturbed(pipeline: Pipeline, *stages: object, **spec: object) -> str:
    pipeline.job_id, pipeline.deliver = "job-0", in_order
    await pipeline.submit(*stages, deterministic=True, **spec)
    await (await pipeline.runner()).run()
    return await digest(pipeline)


async def learned(pipeline: Pipeline) -> list[list[str]]:
    """The groups of each step, without the job's name."""
    return [
        [group.partition(".")[2] for group in step.group_ids] for step in await pipeline.steps()
    ]


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


def mortal(monkeypatch: pytest.MonkeyPatch, rng: random.Random) -> None:
    """Let a learner die right before or after one of its writes."""
    left, before = rng.randint(1, 50), rng.random() < 0.5

    async def patiently(work: Callable[[], Awaitable[object]]) -> object:
        nonlocal left
        left -= 1
        if left == 0 and before:
            raise Crash
        result = await PATIENTLY(work)
        if left == 0:
            raise Crash
        return result

    for module in (channel, job, store):
        monkeypatch.setattr(module, "patiently", patiently)


CURRICULUM = {"rl": STAGES[1]["rl"] | {"curriculum": {"adaptive": {}}}}
EVALUATED = {
    "success": {"at_least": 0.6},
    "evaluation": {"every_steps": 2},
    "evaluation_file": "file-1",
    "early_stopping": {"patience": 2},
}


@pytest.mark.parametrize(
    ("seed", "stages", "spec"),
    [
        (0, STAGES, {}),
        (1, STAGES, {}),
        (2, (CURRICULUM,), {}),
        (3, (CURRICULUM,), EVALUATED),
        (4, (CURRICULUM,), EVALUATED),
    ],
)
async def test_equal_inputs_give_equal_bytes_whatever_happens(
    pipeline: Pipeline,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    stages: Sequence[object],
    spec: Mapping[str, object],
) -> None:
    expected = await undisturbed(pipeline, *stages, **spec)
    groups = await learned(pipeline)

    pipeline.job_id, pipeline.deliver = "job-1", careless(seed)
    await pipeline.submit(*stages, deterministic=True, **spec)
    rng, deaths = random.Random(seed), 0
    for _ in range(LIVES):
        with monkeypatch.context() as patch:
            mortal(patch, rng)
            try:
                await (await pipeline.runner(learner_checkpoint_seconds=0)).run()
            except Crash:
                deaths += 1
    await (await pipeline.runner()).run()
    assert deaths >= 2
    assert await learned(pipeline) == groups
    assert await digest(pipeline) == expected


async def test_overlap_stays(pipeline: Pipeline) -> None:
    """With staleness 2 the groups of three steps are in flight from the start."""
    await undisturbed(pipeline, STAGES[1])
    versions = [request.adapter.policy_version for request in pipeline.requests]
    assert versions.count(0) >= 3 * 2
    assert all(request.deterministic for request in pipeline.requests)


async def test_a_failed_completion_is_sampled_again_and_never_left_out(pipeline: Pipeline) -> None:
    expected = await undisturbed(pipeline, STAGES[1])
    pipeline.job_id = "job-1"
    pipeline.requests.clear()

    def failing(request: events_pb2.RolloutRequested) -> list[Message]:
        answers = mixed(request)
        if request.attempt == 0 and int(request.group_id.rpartition(".")[2]) in {1, 4}:
            answers[1] = scored(request, 1, None)
        return answers

    pipeline.answer, pipeline.deliver = failing, each_anew
    await pipeline.submit(STAGES[1], deterministic=True)
    await (await pipeline.runner()).run()
    assert await digest(pipeline) == expected
    again = [request for request in pipeline.requests if request.attempt]
    assert {request.group_id for request in again} == {"job-1.rl.1", "job-1.rl.4"}
    first = {request.group_id: request for request in pipeline.requests if not request.attempt}
    for request in again:
        assert request.adapter == first[request.group_id].adapter
        assert request.sampling == first[request.group_id].sampling


async def each_anew(bus: Bus, _: object, messages: list[Message]) -> None:
    for message in messages:
        await publish(bus, message, fresh_id=True)


async def test_a_message_that_was_lost_is_asked_for_after_a_while(pipeline: Pipeline) -> None:
    expected = await undisturbed(pipeline, STAGES[1])
    pipeline.job_id = "job-1"

    async def lossy(
        bus: Bus, request: events_pb2.RolloutRequested, messages: list[Message]
    ) -> None:
        lost = request.attempt == 0 and request.group_id.endswith((".2", ".7"))
        await each_anew(bus, request, messages[:-1] if lost else messages)

    pipeline.deliver = lossy
    await pipeline.submit(STAGES[1], deterministic=True)
    await (await pipeline.runner(learner_stall_seconds=0.3, learner_group_seconds=0.5)).run()
    assert await digest(pipeline) == expected


async def test_a_group_that_never_comes_back_pauses_the_job(pipeline: Pipeline) -> None:
    async def broken(bus: Bus, request: events_pb2.RolloutRequested, _: list[Message]) -> None:
        await each_anew(bus, request, [scored(request, 0, None)])

    pipeline.deliver = broken
    await pipeline.submit(STAGES[1], deterministic=True)
    await (await pipeline.runner()).run()
    run = await pipeline.record()
    assert run.state == job_pb2.JOB_STATE_PAUSED
    assert "does not come back: the sandbox is away" in run.message


async def test_early_stopping_waits_for_its_evaluation(pipeline: Pipeline) -> None:
    """The step at which training stops must not depend on when the held-out answers come."""

    async def late_evaluations(
        bus: Bus, request: events_pb2.RolloutRequested, messages: list[Message]
    ) -> None:
        if request.purpose == common_pb2.PURPOSE_EVALUATION:
            await asyncio.sleep(0.3)
        await in_order(bus, request, messages)

    def solved(request: events_pb2.RolloutRequested) -> list[Message]:
        if request.purpose == common_pb2.PURPOSE_EVALUATION:
            good = float(request.adapter.policy_version >= 2)
            return [scored(request, index, good) for index in range(request.group_size)]
        return mixed(request)

    pipeline.answer, pipeline.deliver = solved, late_evaluations
    await pipeline.submit(
        STAGES[1],
        deterministic=True,
        evaluation={"every_steps": 1},
        evaluation_file="file-1",
        early_stopping={"target": 1.0},
    )
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).policy_version == 2


async def test_another_job_on_the_same_base_changes_nothing(pipeline: Pipeline) -> None:
    expected = await undisturbed(pipeline, *STAGES)
    runners = []
    for job_id, deterministic in (("job-1", True), ("job-2", False)):
        pipeline.job_id = job_id
        await pipeline.submit(*STAGES, deterministic=deterministic, seed=0)
        runners.append(await pipeline.runner())
    runners[1]._models = runners[0]._models
    await asyncio.gather(*(runner.run() for runner in runners))
    assert (await pipeline.record()).state == job_pb2.JOB_STATE_SUCCEEDED
    pipeline.job_id = "job-1"
    assert await digest(pipeline) == expected
