"""The plan of calls holds for every seed."""

from hypothesis import given
from hypothesis import strategies as st

from svc_reward.lane.kernels import trials
from svc_reward.lane.kernels.trials import Purpose, Trial, plan

seeds = st.integers(0, 2**63 - 1)
plans = st.builds(
    lambda seed, variants, strided, sets: (
        plan(seed, variants=variants, strided=strided, sets=sets),
        variants,
        strided,
        sets,
    ),
    seeds,
    st.integers(0, 4),
    st.booleans(),
    st.integers(1, 32),
)


def count(calls: tuple[Trial, ...], purpose: Purpose) -> int:
    return sum(trial.purpose is purpose for trial in calls)


@given(plans)
def test_each_purpose_is_served(drawn: tuple[tuple[Trial, ...], int, bool, int]) -> None:
    calls, variants, strided, sets = drawn
    assert count(calls, Purpose.CHANGED) == count(calls, Purpose.REPEATED) == 1
    assert count(calls, Purpose.SHAPED) == variants
    assert count(calls, Purpose.STRIDED) == strided
    assert count(calls, Purpose.DECLARED) >= 1
    drawn_sets = count(calls, Purpose.DECLARED) + variants
    assert max(sets, 1 + variants) <= drawn_sets <= max(sets, 1 + variants) + 1


@given(plans)
def test_the_ablated_call_is_the_last(drawn: tuple[tuple[Trial, ...], int, bool, int]) -> None:
    calls = drawn[0]
    assert [trial.purpose is Purpose.ABLATED for trial in calls] == [False] * (len(calls) - 1) + [
        True
    ]


@given(plans)
def test_buffers_change_in_place_after_they_were_used(
    drawn: tuple[tuple[Trial, ...], int, bool, int],
) -> None:
    calls = drawn[0]
    changed = next(i for i, trial in enumerate(calls) if trial.purpose is Purpose.CHANGED)
    earlier = [trial for trial in calls[:changed] if trial.slot == calls[changed].slot]
    assert [trial.purpose for trial in earlier] == [Purpose.DECLARED]
    assert earlier[0].draw != calls[changed].draw


@given(plans)
def test_a_repeated_question_was_asked_before_in_other_buffers(
    drawn: tuple[tuple[Trial, ...], int, bool, int],
) -> None:
    calls = drawn[0]
    again = next(i for i, trial in enumerate(calls) if trial.purpose is Purpose.REPEATED)
    earlier = [trial for trial in calls[:again] if trial.draw == calls[again].draw]
    assert earlier
    assert all(trial.slot != calls[again].slot for trial in earlier)


@given(seeds)
def test_a_seed_gives_the_same_plan(seed: int) -> None:
    assert plan(seed, variants=1, strided=True) == plan(seed, variants=1, strided=True)


def test_plans_differ_in_order_and_length() -> None:
    plans = {plan(seed, variants=1, strided=False) for seed in range(40)}
    assert len({len(each) for each in plans}) > 1
    assert len(plans) > 10


@given(seeds)
def test_derived_seeds_are_unrelated(seed: int) -> None:
    assert trials.derive(seed, "a") == trials.derive(seed, "a")
    assert len({trials.derive(seed, "inputs", v, d) for v in range(4) for d in range(4)}) == 16


@given(st.integers(1, 4096), seeds)
def test_another_batch_is_another_and_about_as_large(size: int, seed: int) -> None:
    other = trials.other_batch(size, seed)
    assert other > 0
    assert other != size
    assert other <= size + 2
