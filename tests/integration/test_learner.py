"""The learner on a real nats-server, with a pipeline around it that can misbehave."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.message import Message
from learner_pipeline import (
    RL,
    ROWS,
    SFT,
    Pipeline,
    careless,
    nothing,
    pipeline_on,
    publish,
    scored,
)

from burnish.bus import Bus, topology
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner.session import Session
from svc_learner.state import archive
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.store import RunStore

SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED
HELD_OUT = {"evaluation_file": "file-1"}


@pytest.fixture
async def pipeline(nats_url: str) -> AsyncIterator[Pipeline]:
    async with pipeline_on(nats_url) as running:
        yield running


def rl(**changes: object) -> dict[str, object]:
    return {"rl": RL["rl"] | changes}


def check_steps(steps: list[events_pb2.StepCompleted], count: int) -> None:
    assert [step.step for step in steps] == list(range(1, count + 1))
    learned = [group for step in steps for group in step.group_ids]
    assert len(learned) == len(set(learned)), "no group is learned from twice"


async def test_a_job_from_warm_up_to_the_final_evaluation(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT, RL, evaluation={"every_steps": 2}, **HELD_OUT)
    await (await pipeline.runner()).run()

    run = await pipeline.record()
    assert run.state == SUCCEEDED, run.message
    assert run.policy_version == 4 + 3
    assert run.adapter.name == "job-1:v7"
    files = archive.unpack(await pipeline.bus.blobs.get(run.adapter.blob))
    assert sorted(files) == ["adapter_config.json", "adapter_model.safetensors"]

    events = await pipeline.events()
    check_steps(await pipeline.steps(), 7)
    evaluations = {e.label: e for e in events if isinstance(e, events_pb2.EvaluationCompleted)}
    assert {k: v.policy_version for k, v in evaluations.items()} == {
        "base": 0,
        "sft": 4,
        "step-6": 6,
        "final": 7,
    }
    assert len(evaluations["final"].completions) == len(ROWS)
    assert evaluations["final"].completions[0].scores[0].name == "good"
    published = [e.adapter.name for e in events if isinstance(e, events_pb2.PolicyPublished)]
    assert published == [f"job-1:v{k}" for k in (4, 5, 6, 7)]
    adapters = await pipeline.bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
    assert [key for key, _ in await adapters.items()] == [f"job-1.v{k}" for k in (4, 5, 6, 7)]
    assert isinstance(events[-1], events_pb2.JobUpdated)
    assert events[-1].state == SUCCEEDED


async def test_each_rl_step_says_what_happened(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT, RL)
    await (await pipeline.runner()).run()
    for step in (await pipeline.steps())[4:]:
        metrics = step.metrics
        assert metrics["reward/mean"] == pytest.approx(1 / 3)
        assert metrics["reward/good"] == pytest.approx(1 / 3)
        assert metrics["groups/used"] == len(step.group_ids) == 2
        assert metrics["staleness/max"] <= 1
        for name in ("loss", "entropy", "grad_norm", "ratio/min", "loss/replay", "k3/behaviour"):
            assert name in metrics
        total = metrics["seconds/total"]
        assert total >= metrics["seconds/waiting"] + metrics["seconds/training"] - 0.05


async def test_a_step_says_what_held_it_up(pipeline: Pipeline) -> None:
    """Completions are late, and say that their rewards ran all the while."""

    async def slow(bus: Bus, request: events_pb2.RolloutRequested, messages: list[Message]) -> None:
        begin = request.time.seconds + request.time.nanos / 1e9
        await asyncio.sleep(0.3)
        for message in messages:
            assert isinstance(message, events_pb2.RewardScored)
            message.seconds = time.time() - begin
            await publish(bus, message)

    pipeline.deliver = slow
    await pipeline.submit(rl(sft_replay=0, max_staleness=0))
    await (await pipeline.runner()).run()
    for step in await pipeline.steps():
        shares = {
            name: share
            for name, share in step.metrics.items()
            if name.startswith(("waiting/", "utilisation/"))
        }
        assert 0.5 < sum(shares.values()) <= 1
        assert max(shares, key=lambda name: shares[name]) in {"waiting/scoring", "waiting/pacing"}
    assert "waiting while rewards run" in (await pipeline.steps())[0].bottleneck


async def test_dispatch_pins_groups_to_one_adapter_version(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT, RL)
    await (await pipeline.runner()).run()
    for request in pipeline.requests:
        assert request.adapter.name == f"job-1:v{request.adapter.policy_version}"
        assert request.sampling.HasField("seed")
    seeds = {request.sampling.seed for request in pipeline.requests}
    assert len(seeds) == len({request.group_id for request in pipeline.requests})


@pytest.mark.parametrize("seed", range(3))
async def test_repeated_reordered_and_failed_deliveries(pipeline: Pipeline, seed: int) -> None:
    pipeline.deliver = careless(seed)
    await pipeline.submit(rl(steps=5), **HELD_OUT)
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).state == SUCCEEDED
    check_steps(await pipeline.steps(), 5)


class Crash(BaseException):
    """kill -9, as far as the coroutine can tell."""


@pytest.mark.parametrize("moment", ["before the commit", "after the commit"])
@pytest.mark.parametrize("step", [2, 4, 6])
async def test_a_takeover_loses_nothing_and_repeats_nothing(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, step: int, moment: str
) -> None:
    commit, after_commit = RunStore.commit, moment == "after the commit"

    async def crash(store: RunStore, checkpoint: Checkpoint, **rest: Any) -> None:  # noqa: ANN401
        if after_commit:
            await commit(store, checkpoint, **rest)
        if checkpoint.progress.version == step:
            raise Crash
        if not after_commit:
            await commit(store, checkpoint, **rest)

    await pipeline.submit(SFT, RL, **HELD_OUT)
    with monkeypatch.context() as patch:
        patch.setattr(RunStore, "commit", crash)
        with pytest.raises(Crash):
            await (await pipeline.runner(learner_checkpoint_seconds=0)).run()
    await (await pipeline.runner(learner_checkpoint_seconds=0)).run()

    assert (await pipeline.record()).state == SUCCEEDED
    check_steps(await pipeline.steps(), 7)


async def test_supervised_training_ends_in_the_same_bytes_after_a_takeover(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    await pipeline.submit(SFT)
    await (await pipeline.runner()).run()
    undisturbed = (await pipeline.record()).adapter.blob.sha256

    pipeline.job_id = "job-2"
    await pipeline.submit(SFT)
    save = Session.save_meanwhile

    async def crash(session: Session, **how: bool) -> None:
        await save(session, **how)
        await session.settle()
        if session.progress.version == 2:
            raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(Session, "save_meanwhile", crash)
        with pytest.raises(Crash):
            await (await pipeline.runner(learner_checkpoint_seconds=0)).run()
    await (await pipeline.runner()).run()
    assert (await pipeline.record()).adapter.blob.sha256 == undisturbed


async def test_a_learner_that_was_thought_dead_cannot_write(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT)
    zombie = await RunStore.open(pipeline.bus, pipeline.job_id)
    await zombie.take_over(1)
    await (await pipeline.runner()).run()
    from svc_learner.state.store import TakenOverError

    with pytest.raises(TakenOverError):
        await zombie.record(FAILED, "I am late")
    assert (await pipeline.record()).state == SUCCEEDED


async def test_cancelling_stops_within_two_seconds(pipeline: Pipeline) -> None:
    pipeline.deliver = nothing
    await pipeline.submit(RL)
    work = asyncio.create_task((await pipeline.runner()).run())
    await pipeline.asked.wait()
    await pipeline.cancel()
    async with asyncio.timeout(2):
        await work
    assert (await pipeline.record()).state == job_pb2.JOB_STATE_CANCELLED
    last = (await pipeline.events())[-1]
    assert isinstance(last, events_pb2.JobUpdated)
    assert last.state == job_pb2.JOB_STATE_CANCELLED


async def failure(pipeline: Pipeline, **settings: object) -> str:
    await (await pipeline.runner(**settings)).run()
    run = await pipeline.record()
    assert run.state == FAILED
    return run.message


async def test_no_demonstrations_is_one_sentence(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT, rows=[{"prompt": "a"}])
    assert "No training row has a completion" in await failure(pipeline)


async def test_a_row_that_is_too_long_is_named(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT, rows=[{"prompt": "a" * 300, "completion": "b"}])
    assert "Row 0 has 304 tokens; tiny reads 256" in await failure(pipeline)


async def test_replay_without_demonstrations_is_one_sentence(pipeline: Pipeline) -> None:
    await pipeline.submit(RL, rows=[{"prompt": "a"}])
    assert "No training row has a completion to replay" in await failure(pipeline)


async def test_an_unknown_base_model_is_one_sentence(pipeline: Pipeline) -> None:
    await pipeline.submit(SFT, base_model="gpt-9")
    assert "There is no base model 'gpt-9'" in await failure(pipeline)


async def test_a_fatal_reward_error_ends_the_job(pipeline: Pipeline) -> None:
    def fatal(request: events_pb2.RolloutRequested) -> list:
        message = scored(request, 0, None)
        message.fatal, message.message = True, "row 3 raised ZeroDivisionError"
        return [message]

    pipeline.answer = fatal
    await pipeline.submit(RL)
    assert "ZeroDivisionError" in await failure(pipeline)


async def test_rewards_that_never_differ_end_the_job_with_the_reason(pipeline: Pipeline) -> None:
    pipeline.answer = lambda request: [scored(request, i, 0.0) for i in range(3)]
    await pipeline.submit(RL)
    message = await failure(pipeline)
    assert "times all completions had the same reward" in message


async def test_a_solved_task_ends_early_and_well(pipeline: Pipeline) -> None:
    def solved_after_a_step(request: events_pb2.RolloutRequested) -> list:
        learned = request.adapter.policy_version > 0
        return [scored(request, i, 1.0 if learned else float(i == 0)) for i in range(3)]

    pipeline.answer = solved_after_a_step
    await pipeline.submit(rl(max_staleness=0))
    await (await pipeline.runner()).run()
    run = await pipeline.record()
    assert run.state == SUCCEEDED
    assert run.policy_version == 1


async def test_a_stall_is_explained_and_a_lost_completion_does_not_hang(pipeline: Pipeline) -> None:
    async def lossy(bus: Bus, _: object, messages: list[Message]) -> None:
        for message in messages[:-1]:
            await publish(bus, message)

    pipeline.deliver = lossy
    await pipeline.submit(rl(steps=1))
    await (await pipeline.runner(learner_stall_seconds=0.3, learner_group_seconds=1)).run()
    assert (await pipeline.record()).state == SUCCEEDED
    said = [e.message for e in await pipeline.events() if isinstance(e, events_pb2.JobUpdated)]
    assert any("no rollout service is alive" in message for message in said)


async def test_two_jobs_share_one_base(nats_url: str) -> None:
    """Interleaved on one learner, each deterministic job ends with the same bytes as alone."""
    async with pipeline_on(nats_url) as pipeline:
        hashes = {}
        runners = []
        for job_id, seed in (("job-a", 1), ("job-b", 2)):
            pipeline.job_id = job_id
            await pipeline.submit(SFT, seed=seed, deterministic=True)
            await (await pipeline.runner()).run()
            hashes[job_id] = (await pipeline.record()).adapter.blob.sha256
        first = None
        for job_id, seed in (("job-c", 1), ("job-d", 2)):
            pipeline.job_id = job_id
            await pipeline.submit(SFT, seed=seed, deterministic=True)
            runner = await pipeline.runner()
            if first is not None:
                runner._models = first._models
            first = first or runner
            runners.append(runner)
        await asyncio.gather(*(runner.run() for runner in runners))
        for alone, together in (("job-a", "job-c"), ("job-b", "job-d")):
            pipeline.job_id = together
            assert (await pipeline.record()).adapter.blob.sha256 == hashes[alone]
