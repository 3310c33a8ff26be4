"""A reward that compares, from the rollout service through real lanes to the learner's groups."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from test_reward_service import EXACT, keep, row, settings

from burnish.bus import Bus, topology
from burnish.v1 import common_pb2, events_pb2, infer_pb2
from svc_learner import codec
from svc_learner.pipeline.assembler import Assembler
from svc_learner.types import Completion, Ticket
from svc_reward.app import RewardService
from svc_rollout.app import Rollout
from svc_rollout.config import RolloutSettings

BASE = "smollm2-135m-instruct"
LONGEST = """
def reward(prompt, completions, example):
    longest = max(map(len, completions))
    return [float(len(each) == longest) for each in completions]
"""


@pytest.fixture
async def bus(nats_url: str, model_dir: Path) -> AsyncIterator[Bus]:
    configured = settings(nats_url)
    bus = Bus(configured, "both")
    await bus.connect()
    rollout = Rollout(bus, RolloutSettings(nats_url=nats_url, models_dir=model_dir.parent))
    reward = RewardService(bus, configured)
    await reward.start()
    await rollout.start()
    yield bus
    await bus.drain()
    await rollout.stop()
    await reward.stop()
    await bus.close()


async def engine(ask: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
    """Completion n is n + 1 tokens long; the last one is finished first."""
    for index in reversed(range(ask.n)):
        yield infer_pb2.GenerateChunk(
            index=index,
            token_ids=[19556] * (index + 1),
            logprobs=[-0.5] * (index + 1),
            finish_reason=common_pb2.FINISH_REASON_STOP,
        )
    yield infer_pb2.GenerateChunk(done=True)


async def test_each_completion_of_a_compared_group_is_scored_once(bus: Bus) -> None:
    longest = await keep(bus, "longest", LONGEST)
    longest.group = True
    shadow = await keep(bus, "exact", EXACT, 0.0)
    bus.respond(topology.infer_generate(BASE), infer_pb2.GenerateRequest, engine, queue="serve")
    await bus.start()
    request = events_pb2.RolloutRequested(
        project="default",
        job_id="job-1",
        group_id="job-1.rl.0",
        base_model=BASE,
        group_size=3,
        row=row(),
        sampling=common_pb2.SamplingParams(temperature=1, max_tokens=8),
        rewards=[longest, shadow],
    )
    for attempt in ("first", "again"):
        await bus.publish(request, id=attempt)
    assembler = Assembler()
    assert assembler.dispatch(Ticket("job-1.rl.0", row=0, size=3, policy_version=0)) is None
    group = None
    async with asyncio.timeout(60):
        async for entry in bus.read(topology.SCORES_STREAM):
            completion = codec.arrival(entry.message)
            assert isinstance(completion, Completion)
            if (group := assembler.add(completion, entry.sequence)) is not None:
                break
    assert group is not None
    await asyncio.sleep(1)
    info = await bus.js.stream_info(topology.SCORES_STREAM.name)
    assert info.state.messages == 3, "delivered twice, scored once"
    assert [each.reward for each in group.completions] == [0.0, 0.0, 1.0], "in their own order"
    assert [len(each.tokens) for each in group.completions] == [1, 2, 3]
    scores = {each.name: each for each in group.completions[2].scores}
    assert scores["longest"].revision == longest.revision
    assert scores["exact"].weight == 0, "a shadow is scored and has no part in the reward"
    assert not assembler.running
