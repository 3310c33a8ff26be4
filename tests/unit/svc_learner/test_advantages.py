import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from learner_kit import completion

from svc_learner.advantages import centered, judge, standardized

rewards = st.lists(st.floats(-10, 10), min_size=2, max_size=16)


@given(rewards)
def test_centered_is_reward_minus_mean(values: list[float]) -> None:
    mean = statistics.fmean(values)
    assert centered(values) == pytest.approx([v - mean for v in values])


@given(rewards)
def test_standardized_divides_by_the_unbiased_deviation(values: list[float]) -> None:
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    wanted = [(v - mean) / (deviation + 1e-6) for v in values]
    assert standardized(values) == pytest.approx(wanted, rel=1e-3, abs=1e-6)


def group(*values: float | None) -> list:
    return [completion(index=i, reward=value) for i, value in enumerate(values)]


def test_a_completion_without_reward_does_not_shift_the_baseline() -> None:
    verdict = judge(group(1.0, None, 0.0), "centered")
    assert verdict.advantages == (0.5, -0.5)
    assert [c.index for c in verdict.members] == [0, 2]


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ((None, None), "too_few"),
        ((1.0, None), "too_few"),
        ((0.3, 0.3, 0.3), "zero_variance"),
        ((0.3, 0.3 + 1e-9), "zero_variance"),
    ],
)
def test_groups_that_teach_nothing(values: tuple[float | None, ...], refusal: str) -> None:
    verdict = judge(group(*values), "standardized")
    assert verdict.refusal == refusal
    assert not verdict.members


def test_success_can_be_required_on_a_named_score() -> None:
    failed = [completion(index=i, reward=r, correct=0.0) for i, r in enumerate((0.1, 0.2))]
    solved = [*failed, completion(index=2, reward=1.0, correct=1.0)]
    assert judge(failed, "centered", "correct").refusal == "no_success"
    assert judge(failed, "centered").refusal is None
    assert judge(solved, "centered", "correct").refusal is None
