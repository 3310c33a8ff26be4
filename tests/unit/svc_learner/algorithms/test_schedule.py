import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.stage_spec import Optimizing, ScheduleName
from svc_learner.algorithms.schedule import factor

SCHEDULES: tuple[ScheduleName, ...] = ("constant", "linear", "cosine")


def rates(schedule: ScheduleName, *, warmup: int, steps: int) -> list[float]:
    config = Optimizing(warmup_steps=warmup, schedule=schedule)
    return [factor(config, step, steps) for step in range(steps)]


def test_the_rate_rises_evenly_and_reaches_its_peak_after_the_warm_up() -> None:
    assert rates("constant", warmup=3, steps=6) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_a_linear_decay_falls_by_equal_amounts() -> None:
    assert rates("linear", warmup=1, steps=5) == pytest.approx([0.5, 1, 0.75, 0.5, 0.25])


def test_a_cosine_is_half_way_down_in_the_middle() -> None:
    assert rates("cosine", warmup=0, steps=4) == pytest.approx(
        [1, 0.853553, 0.5, 0.146447], abs=1e-6
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@given(warmup=st.integers(0, 20), steps=st.integers(1, 40))
def test_no_step_is_wasted_and_none_is_above_the_peak(
    schedule: ScheduleName, warmup: int, steps: int
) -> None:
    found = rates(schedule, warmup=warmup, steps=steps)
    assert all(0 < rate <= 1 for rate in found)
    assert found[:warmup] == sorted(found[:warmup])
    assert found[warmup:] == sorted(found[warmup:], reverse=True)
