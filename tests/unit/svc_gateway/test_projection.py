"""What events mean for the read model."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from google.protobuf.message import Message
from sqlalchemy.ext.asyncio import AsyncEngine

from burnish.errors import UserError
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_gateway.projection import Queries, schema
from svc_gateway.projection.apply import apply, apply_desired, trim


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    engine = schema.engine_at(tmp_path / "gateway.sqlite")
    async with engine.begin() as connection:
        await schema.prepare(connection)
    yield engine
    await engine.dispose()


def desired(job_id: str, seconds: int = 1) -> job_pb2.DesiredJob:
    job = job_pb2.DesiredJob(id=job_id, project="default", spec=job_pb2.JobSpec(name=job_id))
    job.created_at.FromSeconds(seconds)
    return job


def step(number: int, **metrics: float) -> events_pb2.StepCompleted:
    return events_pb2.StepCompleted(
        project="default",
        job_id="job-1",
        stage="rl",
        step=number,
        total_steps=9,
        metrics=metrics,
        bottleneck=f"what held step {number} up",
    )


def scored(number: int, job_id: str = "job-1") -> events_pb2.RewardScored:
    message = events_pb2.RewardScored(reward=0.5)
    one = message.completion
    one.job_id, one.group_id, one.completion_id = (
        job_id,
        f"{job_id}.rl.0",
        f"{job_id}.rl.0.{number}",
    )
    one.row.messages.add(role="user", content="question")
    one.completion, one.policy_version = "answer", 3
    one.completion_token_ids.extend([1, 2, 3])
    one.context.step = 4
    message.scores.add(name="quality", value=0.5, weight=1, status=events_pb2.SCORE_STATUS_OK)
    return message


async def project(engine: AsyncEngine, *messages: Message) -> None:
    async with engine.begin() as connection:
        for sequence, message in enumerate(messages, 1):
            if isinstance(message, job_pb2.DesiredJob):
                await apply_desired(connection, message)
            else:
                await apply(connection, sequence, message)


HISTORY: tuple[Message, ...] = (
    desired("job-1"),
    events_pb2.JobUpdated(
        project="default", job_id="job-1", state=job_pb2.JOB_STATE_RUNNING, stage="rl"
    ),
    events_pb2.EvaluationCompleted(
        project="default", job_id="job-1", label="base", reward_mean=0.1
    ),
    step(1, **{"reward/mean": 0.2, "loss": 1.0}),
    step(2, **{"reward/mean": 0.4}),
    events_pb2.PolicyPublished(
        project="default",
        job_id="job-1",
        adapter=common_pb2.AdapterRef(name="job-1:v2", job_id="job-1", policy_version=2),
    ),
    events_pb2.EvaluationCompleted(
        project="default", job_id="job-1", label="final", reward_mean=0.9
    ),
    events_pb2.JobUpdated(
        project="default", job_id="job-1", state=job_pb2.JOB_STATE_SUCCEEDED, message="Done."
    ),
)


async def test_a_job_is_what_its_events_made_it_and_repeating_them_changes_nothing(
    engine: AsyncEngine,
) -> None:
    queries = Queries(engine)
    await project(engine, *HISTORY)
    once = await queries.job("job-1")
    await project(engine, *HISTORY)
    assert once is not None
    assert once == await queries.job("job-1")
    assert (once.state, once.step, once.total_steps) == (job_pb2.JOB_STATE_SUCCEEDED, 2, 9)
    assert once.adapter.name == "job-1:v2"
    assert once.message == "Done."
    assert once.bottleneck == "what held step 2 up"
    assert dict(once.metrics) == {
        "loss": 1.0,
        "reward/mean": 0.4,
        "evaluation/base": 0.1,
        "evaluation/reward": 0.9,
    }
    assert set(await queries.adapter_times()) == {"job-1:v2"}


async def test_events_may_come_before_the_wish(engine: AsyncEngine) -> None:
    queries = Queries(engine)
    await project(engine, HISTORY[1], HISTORY[3])
    assert await queries.job("job-1") is None
    await project(engine, HISTORY[0])
    job = await queries.job("job-1")
    assert job is not None
    assert (job.spec.name, job.state, job.step) == ("job-1", job_pb2.JOB_STATE_RUNNING, 1)


async def test_a_cancelled_job_says_so_until_it_has_ended(engine: AsyncEngine) -> None:
    queries = Queries(engine)
    wish = desired("job-1")
    wish.cancelled = True
    await project(engine, wish)
    job = await queries.job("job-1")
    assert job is not None
    assert job.state == job_pb2.JOB_STATE_QUEUED
    assert job.message.startswith("Cancelling")


async def test_jobs_come_newest_first_in_pages(engine: AsyncEngine) -> None:
    queries = Queries(engine)
    await project(engine, *(desired(f"job-{number}", number // 2) for number in range(5)))
    seen: list[str] = []
    token = ""
    while True:
        page = await queries.jobs(size=2, token=token)
        seen.extend(job.id for job in page.items)
        token = page.next_token
        if not token:
            break
    assert seen == ["job-4", "job-2", "job-3", "job-0", "job-1"]
    with pytest.raises(UserError, match="page token"):
        await queries.jobs(size=2, token="nonsense")


async def test_completions_come_newest_first_and_old_ones_go(engine: AsyncEngine) -> None:
    queries = Queries(engine)
    await project(engine, *(scored(number) for number in range(6)), scored(0, "job-2"))
    page = await queries.completions("job-1", size=4, token="")
    assert [one.completion_id for one in page.items] == [f"job-1.rl.0.{n}" for n in (5, 4, 3, 2)]
    first = page.items[0]
    assert (first.prompt, first.completion, first.reward) == ("question", "answer", 0.5)
    assert (first.tokens, first.step, first.policy_version) == (3, 4, 3)
    assert first.scores[0].name == "quality"
    async with engine.begin() as connection:
        await trim(connection, "job-1", keep=2)
    rest = await queries.completions("job-1", size=10, token="")
    assert [one.completion_id for one in rest.items] == ["job-1.rl.0.5", "job-1.rl.0.4"]
    assert len((await queries.completions("job-2", size=10, token="")).items) == 1


async def test_another_version_of_the_tables_is_dropped(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await project(engine, desired("job-1"))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    async with engine.begin() as connection:
        await schema.prepare(connection)
    assert await Queries(engine).job("job-1") is None
