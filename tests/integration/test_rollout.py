"""The rollout service on a real nats-server, with the engine's place taken by a responder."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from burnish.bus import Bus, topology
from burnish.errors import UserError
from burnish.v1 import common_pb2, events_pb2, infer_pb2, job_pb2
from svc_rollout.app import Rollout
from svc_rollout.config import RolloutSettings

BASE = "smollm2-135m-instruct"


@pytest.fixture
async def bus(nats_url: str, model_dir: Path) -> AsyncIterator[Bus]:
    settings = RolloutSettings(nats_url=nats_url, models_dir=model_dir.parent, drain_seconds=0.2)
    bus = Bus(settings, "rollout")
    await bus.connect()
    rollout = Rollout(bus, settings)
    await rollout.start()
    yield bus
    await bus.drain()
    await rollout.stop()
    await bus.close()


def request(group_size: int = 2) -> events_pb2.RolloutRequested:
    message = events_pb2.RolloutRequested(
        project="default",
        job_id="job-1",
        group_id="job-1.rl.0",
        base_model=BASE,
        group_size=group_size,
        row=common_pb2.PromptRow(
            id="0", messages=[common_pb2.Message(role="user", content="Say hi")]
        ),
        sampling=common_pb2.SamplingParams(temperature=1, max_tokens=4),
        adapter=common_pb2.AdapterRef(name="job-1:v3", policy_version=3),
    )
    message.time.FromNanoseconds(time.time_ns() - 5 * 10**9)
    return message


async def test_each_completion_leaves_with_its_tokens_and_policy_version(bus: Bus) -> None:
    asked: list[infer_pb2.GenerateRequest] = []

    async def engine(ask: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
        asked.append(ask)
        for index in range(ask.n):
            yield infer_pb2.GenerateChunk(
                index=index,
                token_ids=[19556, 2],
                logprobs=[-0.5, -0.1],
                finish_reason=common_pb2.FINISH_REASON_STOP,
                adapter=ask.adapter.name,
            )
        yield infer_pb2.GenerateChunk(done=True)

    bus.respond(topology.infer_generate(BASE), infer_pb2.GenerateRequest, engine, queue="serve")
    await bus.start()
    await bus.publish(request(), id="job-1.rl.0")
    entries = bus.read(topology.COMPLETIONS_STREAM)
    found = [(await anext(entries)).message for _ in range(2)]
    assert [message.completion_id for message in found] == ["job-1.rl.0.0", "job-1.rl.0.1"]  # type: ignore[attr-defined]
    first = found[0]
    assert isinstance(first, events_pb2.RolloutCompleted)
    assert first.policy_version == 3
    assert first.completion_token_ids == [19556, 2]
    assert "<|im_end|>" not in first.completion
    assert first.prompt_token_ids == asked[0].prompt_token_ids
    assert len(first.prompt_token_ids) > 5
    assert 5 <= first.waited_seconds <= first.seconds
    assert first.HasField("time")


async def test_a_repeated_request_is_not_taken_for_its_first_try(bus: Bus) -> None:
    async def engine(ask: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
        assert ask.deterministic
        yield infer_pb2.GenerateChunk(
            token_ids=[2], logprobs=[-0.1], finish_reason=common_pb2.FINISH_REASON_STOP
        )
        yield infer_pb2.GenerateChunk(done=True)

    bus.respond(topology.infer_generate(BASE), infer_pb2.GenerateRequest, engine, queue="serve")
    await bus.start()
    for attempt in (0, 17):
        ask = request(group_size=1)
        ask.deterministic, ask.attempt = True, attempt
        await bus.publish(ask, id=f"job-1.rl.0.{attempt}")
    entries = bus.read(topology.COMPLETIONS_STREAM)
    found = [(await anext(entries)).message for _ in range(2)]
    assert {message.attempt for message in found} == {0, 17}  # type: ignore[attr-defined]


async def test_a_group_whose_reward_compares_leaves_whole_and_in_order(bus: Bus) -> None:
    async def engine(ask: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
        for index in reversed(range(ask.n)):
            yield infer_pb2.GenerateChunk(
                index=index,
                token_ids=[19556, 2],
                logprobs=[-0.5, -0.1],
                finish_reason=common_pb2.FINISH_REASON_STOP,
            )
        yield infer_pb2.GenerateChunk(done=True)

    bus.respond(topology.infer_generate(BASE), infer_pb2.GenerateRequest, engine, queue="serve")
    await bus.start()
    ask = request(group_size=3)
    ask.rewards.add(name="alone", revision="0" * 64, weight=1)
    ask.rewards.add(name="compares", revision="1" * 64, weight=1, group=True)
    for attempt in ("first", "again"):  # delivered twice: the group still leaves once
        await bus.publish(ask, id=f"job-1.rl.0.{attempt}")
    entries = bus.read(topology.COMPLETIONS_STREAM)
    group = (await anext(entries)).message
    plain = request()
    plain.group_id = "job-1.rl.1"
    await bus.publish(plain, id=plain.group_id)
    others = [(await anext(entries)).message for _ in range(2)]
    assert isinstance(group, events_pb2.GroupCompleted)
    assert [each.completion_id for each in group.completions] == [
        f"job-1.rl.0.{index}" for index in range(3)
    ]
    assert [ref.name for ref in group.completions[0].rewards] == ["alone", "compares"]
    assert all(isinstance(other, events_pb2.RolloutCompleted) for other in others)


async def test_a_group_that_cannot_be_sampled_ends_with_a_reason(bus: Bus) -> None:
    async def engine(_: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
        raise UserError("the prompt is longer than the context")
        yield infer_pb2.GenerateChunk()

    bus.respond(topology.infer_generate(BASE), infer_pb2.GenerateRequest, engine, queue="serve")
    await bus.start()
    await bus.publish(request(), id="job-1.rl.0")
    message = (await anext(bus.read(topology.SCORES_STREAM))).message
    assert isinstance(message, events_pb2.GroupCancelled)
    assert message.reason == events_pb2.CANCEL_REASON_REFUSED
    assert "longer than the context" in message.message


async def test_cancelling_a_job_stops_its_groups_and_the_engine(bus: Bus) -> None:
    started = asyncio.Event()
    cancelled: list[str] = []

    async def engine(_: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
        started.set()
        await asyncio.sleep(60)
        yield infer_pb2.GenerateChunk()

    async def note(message: infer_pb2.CancelGeneration) -> None:
        cancelled.append(message.request_id)

    await bus.listen(topology.INFER_CANCEL, infer_pb2.CancelGeneration, note)
    bus.respond(topology.infer_generate(BASE), infer_pb2.GenerateRequest, engine, queue="serve")
    await bus.start()
    await bus.publish(request(), id="job-1.rl.0")
    await started.wait()
    jobs = await bus.kv(topology.JOBS, job_pb2.DesiredJob)
    await jobs.put("job-1", job_pb2.DesiredJob(id="job-1", cancelled=True))
    message = (await anext(bus.read(topology.SCORES_STREAM))).message
    assert isinstance(message, events_pb2.GroupCancelled)
    assert message.reason == events_pb2.CANCEL_REASON_JOB_CANCELLED
    assert cancelled == ["job-1.rl.0"]
