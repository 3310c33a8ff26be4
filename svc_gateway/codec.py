"""Protobuf at the edge of the gateway: rows, times and the read model's records ⇄ messages."""

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from burnish.datasets import ChatMessage, DatasetRow
from burnish.v1 import common_pb2, events_pb2, job_pb2, jobs_service_pb2

TERMINAL = frozenset(
    {job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED, job_pb2.JOB_STATE_CANCELLED}
)


def prompt_row(row: DatasetRow) -> common_pb2.PromptRow:
    """A dataset's row on the wire. An answer inside a conversation becomes its `completion`."""
    example = dict(row.example)
    if row.completion is not None:
        example["completion"] = row.completion
    return common_pb2.PromptRow(
        id=row.id,
        messages=[common_pb2.Message(role=one.role, content=one.content) for one in row.messages],
        example=example,
    )


def dataset_row(row: common_pb2.PromptRow) -> DatasetRow:
    messages = tuple(ChatMessage(one.role, one.content) for one in row.messages)
    return DatasetRow(row.id, messages, dict(row.example), row.example.get("completion"))


def prompt_text(row: common_pb2.PromptRow) -> str:
    """The prompt as people read it: what the last message says."""
    return row.messages[-1].content if row.messages else ""


def timestamp(seconds: float | None) -> Timestamp | None:
    """Seconds since the epoch; None stays unset."""
    if seconds is None:
        return None
    stamp = Timestamp()
    stamp.FromNanoseconds(int(seconds * 1e9))
    return stamp


def seconds(stamp: Timestamp) -> float:
    return stamp.ToNanoseconds() / 1e9


def watched(sequence: int, message: object) -> jobs_service_pb2.WatchJobResponse:
    """An event of the log as a subscriber gets it."""
    response = jobs_service_pb2.WatchJobResponse(sequence=sequence)
    match message:
        case events_pb2.JobUpdated():
            response.job_updated.CopyFrom(message)
        case events_pb2.StepCompleted():
            response.step_completed.CopyFrom(message)
        case events_pb2.PolicyPublished():
            response.policy_published.CopyFrom(message)
        case events_pb2.EvaluationCompleted():
            response.evaluation_completed.CopyFrom(message)
        case events_pb2.RewardsUpdated():
            response.rewards_updated.CopyFrom(message)
        case events_pb2.CurriculumAdvanced():
            response.curriculum_advanced.CopyFrom(message)
        case events_pb2.AlarmRaised():
            response.alarm_raised.CopyFrom(message)
        case _:
            raise TypeError(f"{type(message).__name__} is not an event of a job")
    return response


def spec_in_force(job: job_pb2.DesiredJob) -> job_pb2.JobSpec:
    """The spec with the budget of the newest resume."""
    spec = job_pb2.JobSpec()
    spec.CopyFrom(job.spec)
    if job.HasField("budget"):
        spec.budget.CopyFrom(job.budget)
    return spec


def first_reward_set(spec: job_pb2.JobSpec) -> job_pb2.RewardSet:
    """The rewards that a job was created with."""
    return job_pb2.RewardSet(number=1, rewards=spec.rewards, from_step=1, reason="created")


def pack_reward_sets(job: job_pb2.DesiredJob) -> bytes:
    """Sets of rewards as one value of the read model; nothing while there was no update."""
    return job_pb2.DesiredJob(reward_sets=job.reward_sets).SerializeToString()


def unpack_reward_sets(data: bytes, spec: bytes) -> list[job_pb2.RewardSet]:
    found = list(job_pb2.DesiredJob.FromString(data).reward_sets)
    return found or [first_reward_set(job_pb2.JobSpec.FromString(spec))]


def pack_scores(scores: Iterable[events_pb2.Score]) -> bytes:
    """Scores as one value of the read model."""
    return events_pb2.RewardScored(scores=scores).SerializeToString()


def unpack_scores(data: bytes) -> list[events_pb2.Score]:
    return list(events_pb2.RewardScored.FromString(data).scores)
