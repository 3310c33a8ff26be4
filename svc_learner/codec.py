"""The edge between protobuf and the learner's own types."""

import hashlib
from collections.abc import Sequence

from google.protobuf.message import Message

from burnish.datasets import DatasetRow
from burnish.errors import UserError
from burnish.spec import Sampling
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner.reward_sets import FIRST, Candidate, RewardChange
from svc_learner.types import Cancellation, Completion, Score, StepRecord, Ticket

_STATUSES: dict[str, events_pb2.ScoreStatus] = {
    name.removeprefix("SCORE_STATUS_").lower(): value  # type: ignore[misc]  # stubs say int
    for name, value in events_pb2.ScoreStatus.items()
}
_STATUS_NAMES = {value: name for name, value in _STATUSES.items()}


def arrival(message: Message) -> Completion | Cancellation | None:
    """What the log of scores holds; None for anything else."""
    if isinstance(message, events_pb2.RewardScored):
        return completion(message)
    if isinstance(message, events_pb2.GroupCancelled):
        reason = message.message or events_pb2.CancelReason.Name(message.reason)
        return Cancellation(message.group_id, reason)
    return None


def completion(message: events_pb2.RewardScored) -> Completion:
    rollout = message.completion
    return Completion(
        id=rollout.completion_id,
        group_id=rollout.group_id,
        index=rollout.index,
        prompt=tuple(rollout.prompt_token_ids),
        tokens=tuple(rollout.completion_token_ids),
        logprobs=tuple(rollout.logprobs),
        text=rollout.completion,
        truncated=rollout.finish_reason == common_pb2.FINISH_REASON_LENGTH,
        policy_version=rollout.policy_version,
        reward=message.reward if message.HasField("reward") else None,
        scores=tuple(_score(score) for score in message.scores),
        message=message.message,
        fatal=message.fatal,
    )


def _score(message: events_pb2.Score) -> Score:
    return Score(
        name=message.name,
        revision=message.revision,
        status=_STATUS_NAMES[message.status],
        value=message.value if message.HasField("value") else None,
        weight=message.weight,
        message=message.message,
        stdout=message.stdout,
        seconds=message.seconds,
        cpu_ms=message.cpu_ms,
        isolation=message.isolation,
        flags=tuple(message.flags),
        parts=dict(message.parts),
        image=message.image,
        seed=message.seed,
    )


def _score_message(score: Score) -> events_pb2.Score:
    return events_pb2.Score(
        name=score.name,
        revision=score.revision,
        status=_STATUSES[score.status],
        value=score.value,
        weight=score.weight,
        message=score.message,
        stdout=score.stdout,
        seconds=score.seconds,
        cpu_ms=score.cpu_ms,
        isolation=score.isolation,
        flags=score.flags,
        parts=score.parts,
        image=score.image,
        seed=score.seed,
    )


def prompt_row(row: DatasetRow) -> common_pb2.PromptRow:
    return common_pb2.PromptRow(
        id=row.id,
        messages=[common_pb2.Message(role=m.role, content=m.content) for m in row.messages],
        example=row.example,
    )


def sampling_params(sampling: Sampling, *, seed: int, ticket: Ticket) -> common_pb2.SamplingParams:
    """Each group draws with a seed of its own, which follows from the job's and the group's."""
    start = seed if sampling.seed is None else sampling.seed
    stage = ticket.group_id.partition(".")[2]
    digest = hashlib.sha256(f"{start}/{stage}".encode()).digest()
    return common_pb2.SamplingParams(
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=int.from_bytes(digest[:4]),
        stop=sampling.stop,
    )


def rollout_requested(
    job: job_pb2.DesiredJob,
    ticket: Ticket,
    row: DatasetRow,
    sampling: Sampling,
    *,
    adapter: common_pb2.AdapterRef | None,
    reward_set: int,
    total_steps: int,
) -> events_pb2.RolloutRequested:
    return events_pb2.RolloutRequested(
        project=job.project,
        job_id=job.id,
        group_id=ticket.group_id,
        purpose=_purpose(ticket),
        row=prompt_row(row),
        group_size=ticket.size,
        base_model=job.spec.base_model,
        adapter=adapter,
        sampling=sampling_params(sampling, seed=job.spec.seed, ticket=ticket),
        rewards=reward_set_of(job, reward_set).rewards,
        context=common_pb2.RewardContext(
            job_id=job.id, step=ticket.policy_version, max_steps=total_steps
        ),
        on_reward_error=job.spec.on_reward_error,
    )


def _purpose(ticket: Ticket) -> common_pb2.Purpose:
    return common_pb2.PURPOSE_EVALUATION if ticket.label else common_pb2.PURPOSE_TRAIN


def group_cancelled(
    job: job_pb2.DesiredJob, group_id: str, text: str, *, job_ended: bool
) -> events_pb2.GroupCancelled:
    return events_pb2.GroupCancelled(
        project=job.project,
        job_id=job.id,
        group_id=group_id,
        reason=events_pb2.CANCEL_REASON_JOB_CANCELLED
        if job_ended
        else events_pb2.CANCEL_REASON_STALE,
        message=text,
    )


def step_completed(
    job: job_pb2.DesiredJob, record: StepRecord, total_steps: int
) -> events_pb2.StepCompleted:
    message = events_pb2.StepCompleted(
        project=job.project,
        job_id=job.id,
        stage=record.stage,
        step=record.step,
        total_steps=total_steps,
        metrics=record.metrics,
        group_ids=record.groups,
    )
    message.time.GetCurrentTime()
    return message


def candidates(job: job_pb2.DesiredJob) -> list[Candidate]:
    return [Candidate(each.number, each.from_step) for each in job.reward_sets]


def reward_set_of(job: job_pb2.DesiredJob, number: int) -> job_pb2.RewardSet:
    """The set of this number; the spec's own rewards are the first.

    Raises:
        UserError: the job has no such set.
    """
    for each in job.reward_sets:
        if each.number == number:
            return each
    if number == FIRST:
        return job_pb2.RewardSet(number=FIRST, rewards=job.spec.rewards, from_step=1)
    raise UserError(f"There is no set {number} of {job.id}'s rewards.", field="reward_set")


def rewards_updated(job: job_pb2.DesiredJob, change: RewardChange) -> events_pb2.RewardsUpdated:
    after = reward_set_of(job, change.after)
    message = events_pb2.RewardsUpdated(
        project=job.project,
        job_id=job.id,
        step=change.step,
        before=reward_set_of(job, change.before),
        after=after,
        reason=after.reason,
    )
    message.time.GetCurrentTime()
    return message


def policy_published(
    job: job_pb2.DesiredJob, adapter: common_pb2.AdapterRef
) -> events_pb2.PolicyPublished:
    message = events_pb2.PolicyPublished(project=job.project, job_id=job.id, adapter=adapter)
    message.time.GetCurrentTime()
    return message


def job_updated(
    job: job_pb2.DesiredJob, state: job_pb2.JobState, stage: str, text: str, total_steps: int
) -> events_pb2.JobUpdated:
    message = events_pb2.JobUpdated(
        project=job.project,
        job_id=job.id,
        state=state,
        stage=stage,
        message=text,
        total_steps=total_steps,
    )
    message.time.GetCurrentTime()
    return message


def evaluated(row: DatasetRow, completion: Completion) -> events_pb2.EvaluatedCompletion:
    return events_pb2.EvaluatedCompletion(
        row_id=row.id,
        prompt="\n\n".join(m.content for m in row.messages),
        completion=completion.text,
        reward=completion.reward,
        scores=[_score_message(score) for score in completion.scores],
    )


def evaluation_completed(
    job: job_pb2.DesiredJob,
    *,
    label: str,
    policy_version: int,
    adapter: str,
    reward_mean: float,
    score_means: dict[str, float],
    completions: Sequence[events_pb2.EvaluatedCompletion],
) -> events_pb2.EvaluationCompleted:
    message = events_pb2.EvaluationCompleted(
        project=job.project,
        job_id=job.id,
        label=label,
        policy_version=policy_version,
        adapter=adapter,
        reward_mean=reward_mean,
        score_means=score_means,
        completions=completions,
    )
    message.time.GetCurrentTime()
    return message
