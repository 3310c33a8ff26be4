import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from learner_kit import completion

from burnish.stage_spec import RlStage, Sampling
from svc_learner.algorithms.advantages import centered, judge, standardized
from svc_learner.algorithms.overlong import soft_punishment

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
    verdict = judge(group(1.0, None, 0.0), RlStage())
    assert verdict.advantages == (0.5, -0.5)
    assert [c.index for c in verdict.members] == [0, 2]


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ((None, None), "too_few"),
        ((1.0, None), "too_few"),
        ((0.3, 0.3, 0.3), "zero_variance"),
        ((0.3, 0.3 + 1e-9), "zero_variance"),
        ((1.0, 1.0), "all_solved"),
        ((-1.0, -1.0, None), "all_failed"),
    ],
)
def test_groups_that_teach_nothing(values: tuple[float | None, ...], refusal: str) -> None:
    verdict = judge(group(*values), RlStage(advantage="standardized"), seen=(-1.0, 1.0))
    assert verdict.refusal == refusal
    assert not verdict.members


def test_before_any_difference_was_seen_a_reward_above_zero_is_a_success() -> None:
    assert judge(group(0.5, 0.5), RlStage(), seen=(0.5, 0.5)).refusal == "all_solved"
    assert judge(group(0.0, 0.0), RlStage(), seen=(0.0, 0.0)).refusal == "all_failed"
    assert judge(group(0.0, 0.0), RlStage()).refusal == "all_failed"


def test_success_can_be_required_on_a_named_score() -> None:
    asked = RlStage(require_success="correct")
    failed = [completion(index=i, reward=r, correct=0.0) for i, r in enumerate((0.1, 0.2))]
    solved = [*failed, completion(index=2, reward=1.0, correct=1.0)]
    assert judge(failed, asked).refusal == "no_success"
    assert judge(failed, RlStage()).refusal is None
    assert judge(solved, asked).refusal is None


def test_the_order_of_a_group_changes_nothing() -> None:
    members = group(0.1, 0.7, None, 0.4)
    found, turned = judge(members, RlStage()), judge(members[::-1], RlStage())
    pairs = {c.index: a for c, a in zip(found.members, found.advantages, strict=True)}
    assert pairs == {c.index: a for c, a in zip(turned.members, turned.advantages, strict=True)}


@pytest.mark.parametrize(
    ("length", "punishment"), [(1, 0.0), (12, 0.0), (13, -0.25), (14, -0.5), (16, -1.0), (20, -1.0)]
)
def test_the_soft_punishment_of_dapo(length: int, punishment: float) -> None:
    assert soft_punishment(length, max_tokens=16, buffer=4) == punishment


def test_a_long_completion_is_punished_before_the_baseline() -> None:
    config = RlStage(
        overlong="penalize", overlong_buffer=4, sampling=Sampling(max_tokens=16), loss="dapo"
    )
    short = completion(index=0, reward=1.0)
    long = completion(index=1, reward=1.0, tokens=(5,) * 14)
    cut = replace(completion(index=2, reward=1.0, tokens=(5,) * 16), truncated=True)
    assert judge([short, long, cut], config).advantages == pytest.approx((0.5, 0.0, -0.5))
    assert judge([short, long, cut], RlStage()).refusal == "all_solved"


def test_a_masked_cut_completion_counts_in_the_baseline() -> None:
    config = RlStage(overlong="mask")
    cut = [replace(c, truncated=True) for c in group(0.0, 0.0)]
    verdict = judge([*cut, *group(1.0)], config)
    assert verdict.advantages == pytest.approx((-1 / 3, -1 / 3, 2 / 3))
    assert judge([replace(c, truncated=True) for c in group(1.0, 0.0)], config).refusal == "all_cut"
