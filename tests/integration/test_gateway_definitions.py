"""Creating, reading and trying rewards through a real channel and nats-server."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from gateway_world import SOURCE, World, world
from test_gateway_jobs import GOOD, Client, field_of, refused

from burnish.v1 import common_pb2, rewards_service_pb2


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        await there.serve()
        yield there


@pytest.fixture
def client(there: World) -> Client:
    return Client(there.channel)


async def test_a_source_is_a_revision_and_going_back_to_one_makes_it_the_newest(
    client: Client,
) -> None:
    first = await client.reward()
    second = await client.reward(source=SOURCE + "\n# v2\n")
    assert (await client.reward()).revision == first.revision
    listed = (await client.rewards.ListRewards(rewards_service_pb2.ListRewardsRequest())).rewards
    assert [one.revision for one in listed] == [first.revision]
    get = rewards_service_pb2.GetRewardRequest(name="exact", revision=second.revision)
    assert (await client.rewards.GetReward(get)).reward.definition.source.endswith("# v2\n")
    missing = client.rewards.GetReward(rewards_service_pb2.GetRewardRequest(name="exat"))
    assert "known rewards: exact" in (await refused(missing, grpc.StatusCode.NOT_FOUND)).lower()
    words = await refused(client.reward(source="def reward(x): return 1"))
    assert "prompt, completion and example" in words


async def test_a_reward_is_tried_on_rows_before_any_job(there: World, client: Client) -> None:
    request = rewards_service_pb2.TestRewardRequest(
        definition=common_pb2.RewardDefinition(source=SOURCE), file_id=await client.upload()
    )
    words = await refused(client.rewards.TestReward(request), grpc.StatusCode.UNAVAILABLE)
    assert "no reward service answers" in words.lower()
    await there.judge(GOOD)
    verdicts = (await client.rewards.TestReward(request)).verdicts
    assert [(one.status, one.score) for one in verdicts] == [("ok", 1.0)] * 2
    request.completions.extend(["7"])
    assert len((await client.rewards.TestReward(request)).verdicts) == 1


async def test_a_reward_that_cannot_be_used_here_is_not_created(
    there: World, client: Client
) -> None:
    await there.judge(error="there is no secret 'KEY'", field="secrets")
    with pytest.raises(grpc.aio.AioRpcError, match="There is no secret 'KEY'") as caught:
        await client.reward()
    assert field_of(caught.value) == "secrets"
    listed = await client.rewards.ListRewards(rewards_service_pb2.ListRewardsRequest())
    assert list(listed.rewards) == []


async def test_remarks_on_a_source_come_with_its_creation_and_its_trial(
    there: World, client: Client
) -> None:
    await there.judge(GOOD)
    source = "def reward(prompt, completion, example):\n    return eval(completion)\n"
    created = await client.reward(source=source)
    assert [(one.line, one.rule) for one in created.warnings] == [(2, "executes-completion")]
    request = rewards_service_pb2.TestRewardRequest(
        definition=created.definition, file_id=await client.upload()
    )
    assert list((await client.rewards.TestReward(request)).warnings) == list(created.warnings)
