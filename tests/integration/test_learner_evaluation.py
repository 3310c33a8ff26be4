"""Evaluations on a real nats-server: figures, the best checkpoint, early stopping, alarms."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, ROWS, Pipeline, pipeline_on, scored

from burnish.bus import provision
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner.session import Session
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.store import RunStore

HELD_OUT = {"evaluation_file": "file-1"}
OFTEN = {"every_steps": 1, "samples": 3, "pass_at": [1, 2], "sampling": {"temperature": 1}}


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


def rl(**changes: object) -> dict[str, object]:
    return {"rl": RL["rl"] | {"steps": 5, "sft_replay": 0.0, "max_staleness": 0} | changes}


def held_out_by(
    reward: Callable[[int], float],
) -> Callable[[events_pb2.RolloutRequested], list[Message]]:
    """Held-out completions get what the policy version is worth; training ones differ."""

    def answer(request: events_pb2.RolloutRequested) -> list[Message]:
        held_out = request.purpose == common_pb2.PURPOSE_EVALUATION
        version = request.adapter.policy_version
        return [
            scored(request, i, reward(version) if held_out else float(i % 2))
            for i in range(request.group_size)
        ]

    return answer


async def run(pipeline: Pipeline, *stages: object, **spec: object) -> job_pb2.JobRun:
    await pipeline.submit(*stages, **HELD_OUT, **spec)
    await (await pipeline.runner()).run()
    return await pipeline.record()


async def evaluations(pipeline: Pipeline) -> dict[str, events_pb2.EvaluationCompleted]:
    events = await pipeline.events()
    return {e.label: e for e in events if isinstance(e, events_pb2.EvaluationCompleted)}


async def test_an_evaluation_reports_means_and_pass_rates(pipeline: Pipeline) -> None:
    """Each row's three completions score 0, 1, 0."""
    record = await run(pipeline, rl(steps=2), evaluation=OFTEN)
    assert record.state == job_pb2.JOB_STATE_SUCCEEDED, record.message
    found = await evaluations(pipeline)
    assert list(found) == ["base", "step-1", "final"]
    for one in found.values():
        assert one.reward_mean == pytest.approx(1 / 3)
        assert dict(one.score_means) == {"good": pytest.approx(1 / 3)}
        assert dict(one.pass_at) == {1: pytest.approx(1 / 3), 2: pytest.approx(2 / 3)}
        assert one.samples == 3
        assert len(one.completions) == 3 * len(ROWS)
    assert not found["base"].HasField("gap")
    assert found["step-1"].gap == pytest.approx(0)


async def test_the_best_adapter_and_its_checkpoint_stay(pipeline: Pipeline) -> None:
    pipeline.answer = held_out_by(lambda version: [0.9, 0.1, 0.5, 0.4, 0.5, 0.3][version])
    record = await run(pipeline, rl(), evaluation=OFTEN)
    found = await evaluations(pipeline)
    assert [label for label, one in found.items() if one.best] == ["step-1", "step-2"]
    assert record.best_adapter.name == "job-1:v2", "the base has no adapter; of equals the earlier"
    assert record.adapter.name == "job-1:v5"
    assert record.message.endswith("; job-1:v2 did best on the held-out rows")
    kept = {each.step: each for each in record.checkpoints}
    assert "best" in kept[2].reasons
    assert kept[2].measure == pytest.approx(0.5)
    assert set(kept) == {2, 5}


async def test_training_stops_when_the_held_out_rows_do_not_improve(pipeline: Pipeline) -> None:
    pipeline.answer = held_out_by(lambda version: min(version, 2) / 10)
    record = await run(
        pipeline,
        rl(steps=20),
        evaluation=OFTEN,
        early_stopping={"patience": 2},
        deterministic=True,
    )
    assert record.state == job_pb2.JOB_STATE_SUCCEEDED, record.message
    assert record.policy_version == 4
    assert record.best_adapter.name == "job-1:v2"
    said = [e.message for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    assert "stopped early: the last 2 evaluations did not improve on 0.200" in said


async def test_training_stops_at_its_target(pipeline: Pipeline) -> None:
    pipeline.answer = held_out_by(lambda version: version / 10)
    record = await run(
        pipeline,
        rl(steps=20),
        evaluation=OFTEN,
        early_stopping={"target": 0.3},
        deterministic=True,
    )
    assert record.policy_version == 3
    found = await evaluations(pipeline)
    assert list(found) == ["base", "step-1", "step-2", "step-3", "final"]


async def test_rows_that_cannot_be_judged_do_not_end_a_training_run(pipeline: Pipeline) -> None:
    def answer(request: events_pb2.RolloutRequested) -> list[Message]:
        away = (
            request.purpose == common_pb2.PURPOSE_EVALUATION and request.adapter.policy_version == 1
        )
        return [
            scored(request, i, None if away else float(i % 2)) for i in range(request.group_size)
        ]

    pipeline.answer = answer
    record = await run(pipeline, rl(steps=2), evaluation=OFTEN)
    assert record.state == job_pb2.JOB_STATE_SUCCEEDED, record.message
    assert list(await evaluations(pipeline)) == ["base", "final"]
    said = [e.message for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    assert "No held-out row could be judged (step-1): the sandbox is away" in said


async def test_a_growing_gap_raises_one_alarm(pipeline: Pipeline) -> None:
    pipeline.answer = held_out_by(lambda version: 0.3 - version / 10)
    await run(pipeline, rl(), evaluation=OFTEN, alarms={"window": 1, "gap": 0.15})
    alarms = [e for e in await pipeline.events() if isinstance(e, events_pb2.AlarmRaised)]
    assert [(a.kind, a.step, a.paused) for a in alarms] == [("gap", 3, False)]
    assert alarms[0].value == pytest.approx(0.2)
    last = (await pipeline.steps())[-1].metrics
    assert last["alarms/gap"] == 1


def longer(request: events_pb2.RolloutRequested) -> list[Message]:
    """Each policy version adds four tokens."""
    messages = [scored(request, i, float(i % 2)) for i in range(request.group_size)]
    for message in messages:
        extra = [60] * (4 * request.adapter.policy_version)
        message.completion.completion_token_ids.extend(extra)
        message.completion.logprobs.extend([-4.5] * len(extra))
    return messages


LENGTH_PAUSES = {"window": 1, "length_drift": 3, "action": "pause"}


async def check_paused_by_length(pipeline: Pipeline) -> None:
    record = await pipeline.record()
    assert record.state == job_pb2.JOB_STATE_PAUSED
    assert "completions grew from 3 to 11 tokens on average" in record.message
    assert record.policy_version == 3
    raised = [e for e in await pipeline.events() if isinstance(e, events_pb2.AlarmRaised)]
    assert [(a.kind, a.step, a.paused) for a in raised] == [("length_drift", 3, True)]


async def test_an_alarm_can_pause_the_job(pipeline: Pipeline) -> None:
    pipeline.answer = longer
    await pipeline.submit(rl(), alarms=LENGTH_PAUSES)
    await (await pipeline.runner()).run()
    await check_paused_by_length(pipeline)

    await pipeline.resume()
    await (await pipeline.runner()).run()
    record = await pipeline.record()
    assert record.state == job_pb2.JOB_STATE_SUCCEEDED, "the same alarm does not pause twice"
    assert record.policy_version == 5


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


async def test_nothing_is_announced_twice_however_long_nobody_works(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than the server remembers the ids of messages."""
    save = Session.save_meanwhile

    async def crash(session: Session, **options: bool) -> None:
        await save(session, **options)
        await session.settle()
        if session.progress.version == 3:
            raise Crash

    monkeypatch.setattr(provision, "DUPLICATE_WINDOW", 0.1)
    async with pipeline_on(nats_url) as pipeline:
        pipeline.answer = longer
        await pipeline.submit(rl(), alarms=LENGTH_PAUSES | {"action": "warn"})
        with monkeypatch.context() as patch:
            patch.setattr(Session, "save_meanwhile", crash)
            with pytest.raises(Crash):
                await (await pipeline.runner()).run()
        await asyncio.sleep(0.3)
        await (await pipeline.runner()).run()
        assert [step.step for step in await pipeline.steps()] == [1, 2, 3, 4, 5]
        raised = [e for e in await pipeline.events() if isinstance(e, events_pb2.AlarmRaised)]
        assert len(raised) == 1


async def test_the_pause_of_an_alarm_outlives_its_learner(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = RunStore.commit

    async def crash(store: RunStore, checkpoint: Checkpoint, **rest: Any) -> None:  # noqa: ANN401
        await commit(store, checkpoint, **rest)
        if checkpoint.progress.alarms:
            raise Crash

    pipeline.answer = longer
    await pipeline.submit(rl(), alarms=LENGTH_PAUSES)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "commit", crash)
        with pytest.raises(Crash):
            await (await pipeline.runner()).run()
    await (await pipeline.runner()).run()
    await check_paused_by_length(pipeline)
