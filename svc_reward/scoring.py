"""From the scores of one completion to its reward. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from svc_reward.lane.wire import Status
from svc_reward.outcome import FAULTS, Outcome


class OnError(Enum):
    """What a fault of user code does to the completion."""

    ZERO = "zero"
    DROP = "drop"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Score:
    """One reward function's outcome."""

    name: str
    revision: str
    weight: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Reward:
    """What a completion earned.

    Attributes:
        value: weighted sum. None: the completion leaves its group before the baseline.
        message: why there is no value.
        fatal: the job asked to fail on this.
    """

    value: float | None
    message: str = ""
    fatal: bool = False


def combine(scores: Sequence[Score], on_error: OnError) -> Reward:
    """Σ weight · value, unless a score that counts stands in the way.

    Functions of weight 0 only watch: nothing that happens to them touches the reward.
    """
    total = 0.0
    for score in scores:
        if score.weight == 0:
            continue
        outcome = score.outcome
        if outcome.infrastructure or outcome.status is Status.INVALID:
            return Reward(None, _sentence(score))
        judge_failed = outcome.status in FAULTS and not outcome.blames_completion
        if judge_failed and on_error is not OnError.ZERO:
            return Reward(None, _sentence(score), fatal=on_error is OnError.FAIL)
        total += score.weight * (outcome.value or 0.0)
    return Reward(total)


def _sentence(score: Score) -> str:
    status = score.outcome.status.name.lower()
    return f"{score.name}: {status}: {score.outcome.message}"
