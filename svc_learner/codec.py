"""The edge between protobuf and the learner's own types."""

import hashlib
from collections.abc import Sequence

from google.protobuf.message import Message

from burnish.budgets import Usage
from burnish.datasets import DatasetRow
from burnish.errors import UserError
from burnish.run_spec import Budget
from burnish.stage_spec import Sampling
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner.evaluation.results import Result
from svc_learner.pipeline.timing import Timing
from svc_learner.state.progress import OpenEvaluation
from svc_learner.state.reward_sets import FIRST, Candidate, RewardChange
from svc_learner.types import Advance, Alarm, Cancellation, Completion, Score, StepRecord, Ticket

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
        failed = message.reason == events_pb2.CANCEL_REASON_SAMPLING_FAILED
        return Cancellation(message.group_id, reason, failed=failed, attempt=message.attempt)
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
        attempt=rollout.attempt,
        timing=Timing.of(
            rollout.seconds, rollout.waited_seconds, message.seconds, message.waited_seconds
        ),
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
    total_steps: int,
    attempt: int = 0,
) -> events_pb2.RolloutRequested:
    message = events_pb2.RolloutRequested(
        project=job.project,
        job_id=job.id,
        group_id=ticket.group_id,
        purpose=_purpose(ticket),
        row=prompt_row(row),
        group_size=ticket.size,
        base_model=job.spec.base_model,
        adapter=adapter,
        sampling=sampling_params(sampling, seed=job.spec.seed, ticket=ticket),
        rewards=reward_set_of(job, ticket.reward_set).rewards,
        context=common_pb2.RewardContext(
            job_id=job.id, step=ticket.policy_version, max_steps=total_steps, level=ticket.level
        ),
        on_reward_error=job.spec.on_reward_error,
        deterministic=job.spec.deterministic,
        attempt=attempt,
    )
    message.time.GetCurrentTime()
    return message


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
        bottleneck=record.bottleneck,
        usage=usage(record.usage),
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


def usage(used: Usage) -> job_pb2.Usage:
    return job_pb2.Usage(tokens=used.tokens, seconds=used.seconds, steps=used.steps)


def budget(job: job_pb2.DesiredJob) -> Budget:
    """The one in force."""
    message = job.budget if job.HasField("budget") else job.spec.budget
    return Budget(tokens=message.tokens, seconds=message.seconds, steps=message.steps)


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
        resumes=job.resumes,
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
    evaluation: OpenEvaluation,
    result: Result,
    *,
    completions: Sequence[events_pb2.EvaluatedCompletion],
    samples: int,
    best: bool,
    gap: float | None,
) -> events_pb2.EvaluationCompleted:
    message = events_pb2.EvaluationCompleted(
        project=job.project,
        job_id=job.id,
        label=evaluation.label,
        policy_version=evaluation.policy_version,
        adapter=evaluation.adapter,
        reward_mean=result.reward_mean,
        score_means=result.score_means,
        pass_at=result.pass_at,
        completions=completions,
        samples=samples,
        best=best,
        gap=gap,
    )
    message.time.GetCurrentTime()
    return message


def curriculum_advanced(job: job_pb2.DesiredJob, advance: Advance) -> events_pb2.CurriculumAdvanced:
    message = events_pb2.CurriculumAdvanced(
        project=job.project,
        job_id=job.id,
        step=advance.step,
        level=advance.level,
        number=advance.number,
        levels=advance.levels,
        message=advance.message,
    )
    message.time.GetCurrentTime()
    return message


def alarm_raised(job: job_pb2.DesiredJob, alarm: Alarm) -> events_pb2.AlarmRaised:
    message = events_pb2.AlarmRaised(
        project=job.project,
        job_id=job.id,
        step=alarm.step,
        kind=alarm.kind,
        message=alarm.message,
        value=alarm.value,
        threshold=alarm.threshold,
        paused=alarm.paused,
    )
    message.time.GetCurrentTime()
    return message
