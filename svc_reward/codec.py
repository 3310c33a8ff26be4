"""Between protobuf and this service's own types."""

from collections.abc import Sequence

from burnish.v1 import common_pb2, events_pb2, infer_pb2, job_pb2
from svc_reward.contract import Case, last_user_text
from svc_reward.outcome import Outcome
from svc_reward.scoring import OnError, Reward, Score

_ON_ERROR = {
    job_pb2.ON_REWARD_ERROR_UNSPECIFIED: OnError.ZERO,
    job_pb2.ON_REWARD_ERROR_ZERO: OnError.ZERO,
    job_pb2.ON_REWARD_ERROR_DROP: OnError.DROP,
    job_pb2.ON_REWARD_ERROR_FAIL: OnError.FAIL,
}


def on_error(message: events_pb2.RolloutCompleted) -> OnError:
    return _ON_ERROR[message.on_reward_error]


def case_of(
    row: common_pb2.PromptRow,
    completion: str,
    context: common_pb2.RewardContext | None = None,
) -> Case:
    given = context or common_pb2.RewardContext()
    return Case(
        prompt=last_user_text([(message.role, message.content) for message in row.messages]),
        completion=completion,
        example=dict(row.example),
        context={
            "job_id": given.job_id,
            "step": given.step,
            "max_steps": given.max_steps,
            "level": given.level,
        },
    )


def message_id(completion: events_pb2.RolloutCompleted) -> str:
    """Of the completion's scores."""
    again = f".again.{completion.attempt}" if completion.attempt else ""
    return f"{completion.completion_id}{again}"


def score(value: Score) -> events_pb2.Score:
    outcome = value.outcome
    return events_pb2.Score(
        name=value.name,
        revision=value.revision,
        status=f"SCORE_STATUS_{outcome.status.name}",
        value=outcome.value,
        weight=value.weight,
        message=outcome.message,
        stdout=outcome.stdout,
        seconds=outcome.seconds,
        cpu_ms=outcome.cpu_ms,
        isolation=outcome.isolation,
        parts=outcome.parts,
        flags=outcome.flags,
        image=outcome.image,
        seed=outcome.seed,
    )


def scored(
    completion: events_pb2.RolloutCompleted, scores: Sequence[Score], reward: Reward
) -> events_pb2.RewardScored:
    return events_pb2.RewardScored(
        completion=completion,
        scores=[score(value) for value in scores],
        reward=reward.value,
        message=reward.message,
        fatal=reward.fatal,
    )


def verdict(outcome: Outcome) -> infer_pb2.RewardVerdict:
    return infer_pb2.RewardVerdict(
        status=outcome.status.name.lower(),
        score=outcome.value,
        message=outcome.message,
        stdout=outcome.stdout,
        seconds=outcome.seconds,
        cpu_ms=outcome.cpu_ms,
        isolation=outcome.isolation,
        parts=outcome.parts,
        flags=outcome.flags,
        image=outcome.image,
        seed=outcome.seed,
    )
