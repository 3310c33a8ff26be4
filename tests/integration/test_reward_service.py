"""The reward service on a real nats-server and real lanes."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from burnish.bus import Bus, topology
from burnish.reward_spec import RewardDefinition
from burnish.v1 import common_pb2, events_pb2, infer_pb2, job_pb2, rewards_service_pb2
from svc_reward.app import RewardService
from svc_reward.config import RewardSettings

EXACT = """
def reward(prompt, completion, example):
    print("judging", prompt)
    return completion == example["answer"]
"""
SHORT = """
def reward(prompt, completion, example, context):
    return context["step"] / 10 if context["level"] == "hard" else 0
"""
RAISES = "def reward(prompt, completion, example):\n return {}[completion]"
UNSURE = "def reward(prompt, completion, example):\n return {'valid': False, 'reason': 'no key'}"


def settings(nats_url: str, **changes: object) -> RewardSettings:
    known = {"nats_url": nats_url, "sandbox": "process", "reward_lanes": 2, "drain_seconds": 0.2}
    return RewardSettings(**(known | changes))  # type: ignore[arg-type]


async def run(configured: RewardSettings) -> AsyncIterator[Bus]:
    bus = Bus(configured, "reward")
    await bus.connect()
    service = RewardService(bus, configured)
    await service.start()
    await bus.start()
    yield bus
    await bus.drain()
    await service.stop()
    await bus.close()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async for bus in run(settings(nats_url)):
        yield bus


@pytest.fixture
async def lame(nats_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bus]:
    """A service that finds no sandbox."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    async for bus in run(settings(nats_url, sandbox="auto")):
        yield bus


async def keep(bus: Bus, name: str, source: str, weight: float = 1.0) -> common_pb2.RewardRef:
    definition = RewardDefinition.parse({"source": source})
    revision = definition.revision
    bucket = await bus.kv(topology.REWARDS, rewards_service_pb2.Reward)
    entry = rewards_service_pb2.Reward(
        name=name, revision=revision, definition=definition.to_proto()
    )
    await bucket.put(f"{name}.{revision}", entry)
    return common_pb2.RewardRef(name=name, revision=revision, weight=weight)


def completed(
    text: str,
    *rewards: common_pb2.RewardRef,
    index: int = 0,
    on_error: job_pb2.OnRewardError = job_pb2.ON_REWARD_ERROR_ZERO,
) -> events_pb2.RolloutCompleted:
    return events_pb2.RolloutCompleted(
        project="default",
        job_id="job-1",
        group_id="job-1.rl.0",
        completion_id=f"job-1.rl.0.{index}",
        index=index,
        row=row(),
        completion=text,
        rewards=rewards,
        context=common_pb2.RewardContext(job_id="job-1", step=5, max_steps=10, level="hard"),
        on_reward_error=on_error,
    )


def row() -> common_pb2.PromptRow:
    messages = [
        common_pb2.Message(role="system", content="Be brief."),
        common_pb2.Message(role="user", content="6 · 7?"),
    ]
    return common_pb2.PromptRow(id="0", messages=messages, example={"answer": "42"})


async def score(bus: Bus, message: events_pb2.RolloutCompleted) -> events_pb2.RewardScored:
    await bus.publish(message, id=message.completion_id)
    async with asyncio.timeout(30):
        async for entry in bus.read(topology.SCORES_STREAM):
            found = entry.message
            assert isinstance(found, events_pb2.RewardScored)
            if found.completion.completion_id == message.completion_id:
                return found
    raise AssertionError


async def test_scores_are_weighted_and_name_where_they_come_from(bus: Bus) -> None:
    exact = await keep(bus, "exact", EXACT, 0.5)
    short = await keep(bus, "short", SHORT, 0.2)
    message = completed("42", exact, short)
    message.time.FromNanoseconds(time.time_ns() - 5 * 10**9)
    scored = await score(bus, message)
    assert 5 <= scored.waited_seconds < scored.seconds
    assert scored.reward == pytest.approx(0.5 * 1.0 + 0.2 * 0.5)
    assert scored.completion.completion == "42"
    first = scored.scores[0]
    assert (first.name, first.revision, first.weight) == ("exact", exact.revision, 0.5)
    assert first.status == events_pb2.SCORE_STATUS_OK
    assert first.stdout == "judging 6 · 7?\n"
    assert first.isolation.startswith("process")
    assert first.seconds > 0
    assert first.cpu_ms > 0


async def test_a_raising_reward_follows_the_jobs_policy(bus: Bus) -> None:
    good, bad = await keep(bus, "exact", EXACT), await keep(bus, "bad", RAISES)
    zero = await score(bus, completed("42", good, bad))
    assert zero.reward == 1.0
    assert zero.scores[1].status == events_pb2.SCORE_STATUS_ERROR
    assert not zero.scores[1].HasField("value")
    assert "line 2 in reward: return {}[completion]" in zero.scores[1].message
    drop = await score(
        bus, completed("42", good, bad, index=1, on_error=job_pb2.ON_REWARD_ERROR_DROP)
    )
    assert not drop.HasField("reward")
    assert drop.message.startswith("bad: error: ")
    assert not drop.fatal
    fail = await score(
        bus, completed("42", good, bad, index=2, on_error=job_pb2.ON_REWARD_ERROR_FAIL)
    )
    assert fail.fatal


async def test_an_invalid_completion_leaves_its_group(bus: Bus) -> None:
    scored = await score(bus, completed("42", await keep(bus, "unsure", UNSURE)))
    assert not scored.HasField("reward")
    assert scored.message == "unsure: invalid: no key"


async def test_a_revision_that_is_gone_fails_the_job(bus: Bus) -> None:
    missing = common_pb2.RewardRef(name="gone", revision="0" * 64, weight=1)
    scored = await score(bus, completed("42", missing))
    assert scored.fatal
    assert scored.message == "there is no reward gone with revision 000000000000"


async def test_the_same_completion_twice_is_scored_once(bus: Bus) -> None:
    message = completed("42", await keep(bus, "exact", EXACT))
    await score(bus, message)
    bus.settings.ack_wait = 1
    await bus.js.publish(
        topology.subject_for(message),
        message.SerializeToString(),
        headers={"content-type": "application/x-protobuf; message=burnish.v1.RolloutCompleted"},
    )
    await asyncio.sleep(1)
    info = await bus.js.stream_info(topology.SCORES_STREAM.name)
    assert info.state.messages == 1


async def ask(bus: Bus, **fields: object) -> infer_pb2.TryRewardResponse:
    request = infer_pb2.TryRewardRequest(**fields)  # type: ignore[arg-type]
    replies = bus.request(topology.REWARD_TRY, request, infer_pb2.TryRewardResponse)
    found = [reply async for reply in replies]
    assert len(found) == 1
    return found[0]


async def test_try_scores_each_pair(bus: Bus) -> None:
    answer = await ask(
        bus,
        name="exact",
        definition=common_pb2.RewardDefinition(source=EXACT),
        rows=[row()],
        completions=["42", "41"],
    )
    assert [verdict.score for verdict in answer.verdicts] == [1.0, 0.0]
    assert answer.verdicts[0].status == "ok"
    assert answer.verdicts[0].stdout == "judging 6 · 7?\n"
    assert answer.verdicts[0].isolation.startswith("process")


async def test_try_shows_what_the_user_did_wrong(bus: Bus) -> None:
    raising = await ask(
        bus,
        name="r",
        definition=common_pb2.RewardDefinition(source=RAISES),
        rows=[row()],
        completions=["x"],
    )
    assert raising.verdicts[0].status == "error"
    assert not raising.verdicts[0].HasField("score")
    assert raising.verdicts[0].message.splitlines() == [
        "line 2 in reward: return {}[completion]",
        "KeyError: 'x'",
    ]
    wrong = await ask(
        bus,
        name="r",
        definition=common_pb2.RewardDefinition(source="def reward(a): ..."),
        rows=[row()],
        completions=["x"],
    )
    assert "takes 1 argument instead of prompt, completion and example" in wrong.error
    uneven = await ask(
        bus,
        name="r",
        definition=common_pb2.RewardDefinition(source=EXACT),
        rows=[row()] * 2,
        completions=["x"] * 3,
    )
    assert "do not pair up" in uneven.error


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"secrets": ["KEY"]}, "secrets", "keeps no secrets"),
        ({"packages": ["six"]}, "packages", "installs no packages"),
        ({"limits": {"seconds": 3000}}, "limits.seconds", "more than this installation allows"),
    ],
)
async def test_try_without_rows_says_whether_it_can_be_used(
    bus: Bus, fields: dict[str, Any], field: str, words: str
) -> None:
    good = await ask(bus, name="r", definition=common_pb2.RewardDefinition(source=EXACT))
    assert (good.error, list(good.verdicts)) == ("", [])
    wrong = common_pb2.RewardDefinition(source=EXACT, **fields)
    bad = await ask(bus, name="r", definition=wrong)
    assert (bad.field, words in bad.error) == (field, True)


async def test_no_sandbox_is_no_score(lame: Bus) -> None:
    message = completed("42", await keep(lame, "exact", EXACT))
    await lame.publish(message, id=message.completion_id)
    await asyncio.sleep(2)
    info = await lame.js.stream_info(topology.SCORES_STREAM.name)
    assert info.state.messages == 0
    tried = await ask(
        lame,
        name="exact",
        definition=common_pb2.RewardDefinition(source=EXACT),
        rows=[row()],
        completions=["42"],
    )
    assert "DOCKER_HOST" in tried.error
    assert not tried.verdicts


async def test_a_completion_given_up_has_no_reward(nats_url: str) -> None:
    configured = settings(nats_url)
    bus = Bus(configured, "reward")
    await bus.connect()
    await RewardService(bus, configured)._give_up(completed("42"), "no engine")
    async for entry in bus.read(topology.SCORES_STREAM):
        assert isinstance(entry.message, events_pb2.RewardScored)
        assert not entry.message.HasField("reward")
        assert entry.message.message == "no engine"
        break
    await bus.close()
