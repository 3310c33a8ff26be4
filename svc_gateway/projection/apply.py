"""What each message means for the read model. Applying one twice changes nothing."""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Table, delete, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from burnish.v1 import events_pb2, job_pb2
from svc_gateway import codec
from svc_gateway.projection import schema


async def apply(connection: AsyncConnection, sequence: int, message: Message) -> None:
    """Project one entry of the events or the scores stream."""
    match message:
        case events_pb2.JobUpdated():
            await _job_updated(connection, message)
        case events_pb2.StepCompleted():
            await _step_completed(connection, message)
        case events_pb2.PolicyPublished():
            await _policy_published(connection, message)
        case events_pb2.EvaluationCompleted():
            await _evaluation_completed(connection, message)
        case events_pb2.RewardsUpdated():
            values = {"project": message.project, "reward_set": message.after.number}
            await _upsert(connection, schema.jobs, {"id": message.job_id}, values)
        case events_pb2.RewardScored():
            await _reward_scored(connection, sequence, message)
        case _:
            # Nothing of the read model depends on it (a cancelled group has no completion).
            pass


async def apply_desired(connection: AsyncConnection, job: job_pb2.DesiredJob) -> None:
    """Project what the owner of a job wants."""
    await _upsert(
        connection,
        schema.jobs,
        {"id": job.id},
        {
            "project": job.project,
            "spec": codec.spec_in_force(job).SerializeToString(),
            "cancelled": job.cancelled,
            "paused": job.paused,
            "resumes": job.resumes,
            "created_at": codec.seconds(job.created_at),
            "reward_sets": codec.pack_reward_sets(job),
        },
    )


async def _job_updated(connection: AsyncConnection, event: events_pb2.JobUpdated) -> None:
    values: dict[str, Any] = {
        "project": event.project,
        "state": event.state,
        "stage": event.stage,
        "message": event.message,
        "heard_resumes": event.resumes,
    }
    if event.total_steps:
        values["total_steps"] = event.total_steps
    if event.state in codec.TERMINAL:
        values["finished_at"] = codec.seconds(event.time)
    await _upsert(connection, schema.jobs, {"id": event.job_id}, values)


async def _step_completed(connection: AsyncConnection, event: events_pb2.StepCompleted) -> None:
    metrics = dict(event.metrics)
    await _upsert(
        connection,
        schema.steps,
        {"job_id": event.job_id, "step": event.step},
        {"stage": event.stage, "metrics": metrics, "time": codec.seconds(event.time)},
    )
    known = await _metrics_of(connection, event.job_id)
    values = {
        "project": event.project,
        "step": event.step,
        "stage": event.stage,
        "metrics": {**known, **metrics},
        "usage": event.usage.SerializeToString(),
        "bottleneck": event.bottleneck,
    }
    if event.total_steps:
        values["total_steps"] = event.total_steps
    await _upsert(connection, schema.jobs, {"id": event.job_id}, values)


async def _policy_published(connection: AsyncConnection, event: events_pb2.PolicyPublished) -> None:
    adapter = event.adapter
    await _upsert(
        connection,
        schema.adapters,
        {"name": adapter.name},
        {
            "job_id": event.job_id,
            "policy_version": adapter.policy_version,
            "ref": adapter.SerializeToString(),
            "time": codec.seconds(event.time),
        },
    )
    await _upsert(
        connection,
        schema.jobs,
        {"id": event.job_id},
        {"project": event.project, "adapter": adapter.SerializeToString()},
    )


async def _evaluation_completed(
    connection: AsyncConnection, event: events_pb2.EvaluationCompleted
) -> None:
    await _upsert(
        connection,
        schema.evaluations,
        {"job_id": event.job_id, "label": event.label},
        {
            "policy_version": event.policy_version,
            "adapter": event.adapter,
            "reward_mean": event.reward_mean,
            "time": codec.seconds(event.time),
        },
    )
    known = await _metrics_of(connection, event.job_id)
    values: dict[str, Any] = {
        "project": event.project,
        "metrics": {**known, **_evaluation_metrics(event)},
    }
    if event.best:
        query = select(schema.adapters.c.ref).where(schema.adapters.c.name == event.adapter)
        values["best_adapter"] = (await connection.execute(query)).scalar_one_or_none()
    await _upsert(connection, schema.jobs, {"id": event.job_id}, values)


def _evaluation_metrics(event: events_pb2.EvaluationCompleted) -> dict[str, float]:
    if event.label in {"base", "start"}:
        return {"evaluation/base": event.reward_mean}
    found = {"evaluation/reward": event.reward_mean}
    found |= {f"evaluation/pass@{k}": rate for k, rate in event.pass_at.items()}
    if event.HasField("gap"):
        found["evaluation/gap"] = event.gap
    return found


async def _reward_scored(
    connection: AsyncConnection, sequence: int, event: events_pb2.RewardScored
) -> None:
    one = event.completion
    await _upsert(
        connection,
        schema.completions,
        {"completion_id": one.completion_id},
        {
            "sequence": sequence,
            "job_id": one.job_id,
            "group_id": one.group_id,
            "row_id": one.row.id,
            "prompt": codec.prompt_text(one.row),
            "completion": one.completion,
            "reward": event.reward if event.HasField("reward") else None,
            "scores": codec.pack_scores(event.scores),
            "policy_version": one.policy_version,
            "step": one.context.step,
            "purpose": one.purpose,
            "tokens": len(one.completion_token_ids),
            "row": one.row.SerializeToString(),
        },
    )


async def trim(connection: AsyncConnection, job_id: str, keep: int) -> None:
    """Forget all but the newest `keep` completions of a job."""
    table = schema.completions
    oldest_kept = (
        select(table.c.sequence)
        .where(table.c.job_id == job_id)
        .order_by(table.c.sequence.desc())
        .offset(keep - 1)
        .limit(1)
        .scalar_subquery()
    )
    await connection.execute(
        delete(table).where(table.c.job_id == job_id, table.c.sequence < oldest_kept)
    )


async def _metrics_of(connection: AsyncConnection, job_id: str) -> Mapping[str, float]:
    query = select(schema.jobs.c.metrics).where(schema.jobs.c.id == job_id)
    return (await connection.execute(query)).scalar_one_or_none() or {}


async def _upsert(
    connection: AsyncConnection, table: Table, key: Mapping[str, Any], values: Mapping[str, Any]
) -> None:
    statement = insert(table).values(**key, **values)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(key), set_=dict(values))
    )
