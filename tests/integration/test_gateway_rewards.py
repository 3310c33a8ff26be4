"""Updating and re-trying a running job's rewards through a real channel and nats-server."""

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from gateway_world import SOURCE, World, eventually, world
from test_gateway_jobs import BROKEN, GOOD, Client, refused

from burnish.bus import topology
from burnish.v1 import common_pb2, events_pb2, job_pb2, jobs_service_pb2

Update = jobs_service_pb2.UpdateJobRewardsRequest
Rescore = jobs_service_pb2.RescoreCompletionsRequest


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(nats_url, tmp_path) as there:
        await there.serve()
        yield there


@pytest.fixture
def client(there: World) -> Client:
    return Client(there.channel)


def ref(name: str, weight: float = 1) -> common_pb2.RewardRef:
    return common_pb2.RewardRef(name=name, weight=weight)


async def desired(there: World, job_id: str) -> job_pb2.DesiredJob:
    found = await (await there.bus.kv(topology.JOBS, job_pb2.DesiredJob)).get(job_id)
    assert found is not None
    return found[0]


async def test_update_shadow_and_rollback(there: World, client: Client) -> None:
    await there.judge(GOOD)
    old = await client.reward()
    job = await client.create()
    assert [each.number for each in job.reward_sets] == [1]
    new = await client.reward(source=SOURCE + "\n# v2\n")
    shadow = await client.reward("shadow")
    ask = Update(id=job.id, rewards=[ref("exact"), ref("shadow", 0)], at_step=2, reason="typo")
    answer = await client.jobs.UpdateJobRewards(ask)
    again = await client.jobs.UpdateJobRewards(ask)
    assert again.reward_set == answer.reward_set, "a repeated request adds nothing"
    assert answer.reward_set.number == 2
    assert [each.revision for each in answer.reward_set.rewards] == [new.revision, shadow.revision]
    assert [each.weight for each in answer.reward_set.rewards] == [1, 0]
    assert (await desired(there, job.id)).reward_sets[1].from_step == 2
    back = (await client.jobs.UpdateJobRewards(Update(id=job.id, rollback_to=0))).reward_set
    assert (back.number, back.repeats) == (3, 1)
    assert [each.revision for each in back.rewards] == [old.revision]
    shown = await client.get(job.id)
    assert [each.number for each in shown.reward_sets] == [1, 2, 3]
    assert shown.reward_set == 1, "in force is what the learner says"
    event = events_pb2.RewardsUpdated(project="default", job_id=job.id, step=2, after=back)
    await there.bus.publish(event, id="updated")

    async def applied() -> bool:
        return (await client.get(job.id)).reward_set == 3

    await eventually(applied)


async def test_what_cannot_be_applied_is_refused_at_the_door(there: World, client: Client) -> None:
    await there.judge(GOOD)
    await client.reward()
    job = await client.create()
    runs = await there.bus.kv(topology.RUNS, job_pb2.JobRun)
    await runs.put(job.id, job_pb2.JobRun(id=job.id, policy_version=4))

    def ask(**fields: object) -> object:
        return client.jobs.UpdateJobRewards(Update(id=job.id, **fields))  # type: ignore[arg-type]

    words = await refused(ask(rewards=[ref("exact")], at_step=5))  # type: ignore[arg-type]
    assert "has begun already" in words
    not_found = grpc.StatusCode.NOT_FOUND
    assert "'exat'" in await refused(ask(rewards=[ref("exact"), ref("exat")]), not_found)  # type: ignore[arg-type]
    assert "weight" in await refused(ask(rewards=[ref("exact", 0)]))  # type: ignore[arg-type]
    await client.reward("other")
    assert "not one of the job's rewards" in await refused(ask(rewards=[ref("other")]))  # type: ignore[arg-type]
    assert "first" in await refused(ask(rollback_to=0))  # type: ignore[arg-type]
    assert len((await desired(there, job.id)).reward_sets) == 0
    await there.update(job.id, job_pb2.JOB_STATE_SUCCEEDED)

    async def ended() -> bool:
        return (await client.get(job.id)).state == job_pb2.JOB_STATE_SUCCEEDED

    await eventually(ended)
    assert "has ended" in await refused(ask(rewards=[ref("exact")]))  # type: ignore[arg-type]


async def test_a_reward_that_fails_on_every_row_is_refused(there: World, client: Client) -> None:
    await client.reward()
    job = await client.create()  # nobody judges yet: a job may wait for its reward service
    await there.judge(BROKEN)
    await client.reward(source=SOURCE + "\n# broken\n")
    call = client.jobs.UpdateJobRewards(Update(id=job.id, rewards=[ref("exact")]))
    assert "KeyError" in await refused(call)


async def test_stored_completions_are_judged_beside_their_old_scores(
    there: World, client: Client
) -> None:
    await there.judge(GOOD)
    await client.reward()
    job = await client.create()
    for number in range(5):
        message = events_pb2.RewardScored(reward=0.25)
        one = message.completion
        one.project, one.job_id, one.group_id = "default", job.id, f"{job.id}.rl.0"
        one.completion_id, one.completion = f"{job.id}.rl.0.{number}", str(number)
        one.row.id, one.context.step = "7", number
        one.row.example["answer"] = "4"
        one.row.messages.add(role="user", content="2+2")
        await there.bus.publish(message, id=one.completion_id)

    async def rescored(**fields: object) -> list[jobs_service_pb2.RescoredCompletion]:
        ask = Rescore(job_id=job.id, name="exact", **fields)  # type: ignore[arg-type]
        return list((await client.jobs.RescoreCompletions(ask)).completions)

    async def stored() -> bool:
        return len(await rescored()) == 5

    await eventually(stored)
    found = await rescored(last=2)
    assert [each.completion.completion for each in found] == ["4", "3"]
    assert [(each.completion.reward, each.verdict.score) for each in found] == [(0.25, 1.0)] * 2
    assert found[0].completion.row.example["answer"] == "4"
    steps = await rescored(first_step=2, last_step=3)
    assert [each.completion.step + 1 for each in steps] == [3, 2]
    both = Rescore(job_id=job.id)
    assert "either" in await refused(client.jobs.RescoreCompletions(both))
