"""From scores to a reward, by the job's policy."""

import pytest

from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.scoring import OnError, Reward, Score, combine


def score(name: str, weight: float, status: Status, value: float | None = None) -> Score:
    return Score(name, "rev", weight, Outcome(status, value, message="why"))


def ok(value: float, weight: float = 1.0) -> Score:
    return score("good", weight, Status.OK, value)


def bad(status: Status, weight: float = 1.0) -> Score:
    return score("bad", weight, status)


@pytest.mark.parametrize("policy", OnError)
def test_weighted_sum(policy: OnError) -> None:
    assert combine([ok(1.0, 0.25), ok(-2.0, 0.5)], policy) == Reward(-0.75)


def test_faults_follow_the_policy() -> None:
    scores = [ok(1.0), bad(Status.TIMEOUT)]
    assert combine(scores, OnError.ZERO) == Reward(1.0)
    assert combine(scores, OnError.DROP) == Reward(None, "bad: timeout: why")
    assert combine(scores, OnError.FAIL) == Reward(None, "bad: timeout: why", fatal=True)


@pytest.mark.parametrize("policy", OnError)
@pytest.mark.parametrize("status", [Status.INVALID, Status.LANE_ERROR, Status.SANDBOX_UNAVAILABLE])
def test_what_cannot_be_judged_is_never_zero(policy: OnError, status: Status) -> None:
    assert combine([ok(1.0), bad(status)], policy) == Reward(
        None, f"bad: {status.name.lower()}: why"
    )


@pytest.mark.parametrize("status", [Status.CRASH, Status.INVALID, Status.LANE_ERROR])
def test_watching_functions_touch_nothing(status: Status) -> None:
    assert combine([ok(1.0), bad(status, weight=0)], OnError.FAIL) == Reward(1.0)
