"""Reading the read model: rows → messages."""

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from burnish.errors import UserError
from burnish.v1 import common_pb2, job_pb2, jobs_service_pb2
from svc_gateway import codec
from svc_gateway.pages import Page, size_of
from svc_gateway.projection import schema

Job = job_pb2.Job
ScoredCompletion = jobs_service_pb2.ScoredCompletion


class Queries:
    """What the API asks of the read model."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def job(self, job_id: str) -> Job | None:
        query = select(schema.jobs).where(
            schema.jobs.c.id == job_id, schema.jobs.c.spec.is_not(None)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else _job(row)

    async def jobs(self, *, size: int, token: str) -> Page[Job]:
        """Newest first; a token is the place of the last job sent."""
        table = schema.jobs
        query = select(table).where(table.c.spec.is_not(None))
        if token:
            created, _, job_id = token.partition("/")
            at = _number(created)
            query = query.where(
                (table.c.created_at < at) | ((table.c.created_at == at) & (table.c.id > job_id))
            )
        query = query.order_by(table.c.created_at.desc(), table.c.id).limit(size_of(size) + 1)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        shown = rows[: size_of(size)]
        last = shown[-1] if len(rows) > len(shown) else None
        return Page(
            tuple(_job(row) for row in shown),
            f"{last['created_at']!r}/{last['id']}" if last is not None else "",
        )

    async def completions(
        self, job_id: str, *, size: int, token: str, steps: tuple[int, int] = (0, 0)
    ) -> Page[ScoredCompletion]:
        """Newest first; a token is the sequence of the last one sent.

        `steps`, first and last, leaves out completions sampled for others; 0 is an open end.
        """
        table = schema.completions
        query = select(table).where(table.c.job_id == job_id)
        first, last = steps
        # A completion's context holds the steps that were done before: it is sampled for the next.
        if first:
            query = query.where(table.c.step >= first - 1)
        if last:
            query = query.where(table.c.step <= last - 1)
        if token:
            query = query.where(table.c.sequence < int(_number(token)))
        query = query.order_by(table.c.sequence.desc()).limit(size_of(size) + 1)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).mappings().all()
        shown = rows[: size_of(size)]
        token = str(shown[-1]["sequence"]) if len(rows) > len(shown) else ""
        return Page(tuple(_completion(row) for row in shown), token)

    async def adapter_times(self) -> dict[str, float]:
        """When each adapter was published, in seconds since the epoch."""
        query = select(schema.adapters.c.name, schema.adapters.c.time)
        async with self._engine.connect() as connection:
            return {row.name: row.time for row in (await connection.execute(query)).all()}

    async def running(self) -> int:
        """Jobs that run now."""
        query = select(func.count()).where(schema.jobs.c.state == job_pb2.JOB_STATE_RUNNING)
        async with self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())


def _job(row: RowMapping) -> Job:
    job = Job(
        id=row["id"],
        project=row["project"],
        spec=job_pb2.JobSpec.FromString(row["spec"]),
        state=row["state"] or job_pb2.JOB_STATE_QUEUED,
        stage=row["stage"],
        step=row["step"],
        total_steps=row["total_steps"],
        message=row["message"],
        bottleneck=row["bottleneck"],
        created_at=codec.timestamp(row["created_at"]),
        finished_at=codec.timestamp(row["finished_at"]),
        metrics=row["metrics"],
        reward_sets=codec.unpack_reward_sets(row["reward_sets"], row["spec"]),
        reward_set=row["reward_set"],
        resumes=row["resumes"],
    )
    if row["adapter"] is not None:
        job.adapter.CopyFrom(common_pb2.AdapterRef.FromString(row["adapter"]))
    if row["best_adapter"] is not None:
        job.best_adapter.CopyFrom(common_pb2.AdapterRef.FromString(row["best_adapter"]))
    if row["usage"] is not None:
        job.usage.CopyFrom(job_pb2.Usage.FromString(row["usage"]))
    if job.state not in codec.TERMINAL:
        _show_wish(job, row)
    return job


def _show_wish(job: Job, row: RowMapping) -> None:
    """What its owner wants of a job, until its learner says that it is so."""
    resumed = job.state == job_pb2.JOB_STATE_PAUSED and row["resumes"] > row["heard_resumes"]
    if row["cancelled"]:
        job.message = "Cancelling: the learner stops at the next step boundary."
    elif resumed:
        job.state = job_pb2.JOB_STATE_QUEUED
        job.message = "Resumed: waits for a learner."
    elif row["paused"] and job.state != job_pb2.JOB_STATE_PAUSED:
        job.message = "Pausing: the learner stops at the next step boundary."


def _completion(row: RowMapping) -> ScoredCompletion:
    return ScoredCompletion(
        completion_id=row["completion_id"],
        group_id=row["group_id"],
        row_id=row["row_id"],
        prompt=row["prompt"],
        completion=row["completion"],
        reward=row["reward"],
        scores=codec.unpack_scores(row["scores"]),
        policy_version=row["policy_version"],
        step=row["step"],
        purpose=row["purpose"],
        tokens=row["tokens"],
        row=common_pb2.PromptRow.FromString(row["row"]),
    )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(
            f"page token {text!r} is not one of ours",
            field="page_token",
            hint="start again without a token",
        ) from None
