"""What laps are worth, and which of them are lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_reward.lane.kernels import clocks
from svc_reward.lane.kernels.clocks import Baseline, Lap, Link, Step, Verdict

EMPTY = [Lap(0.01, 0.09), Lap(0.01, 0.1), Lap(0.01, 0.11)] * 3
LINK = clocks.link(EMPTY)
EAGER, COMPILED = Baseline("eager PyTorch", 4.0), Baseline("torch.compile", 3.0)


def laps(events: float, wall: float) -> list[Lap]:
    return [Lap(events, wall)] * 20


def judge(
    events: float,
    wall: float,
    *,
    baselines: tuple[Baseline, ...] = (EAGER, COMPILED),
    least: float = 0.0,
) -> Verdict:
    return clocks.judge(laps(events, wall), EMPTY, baselines, least)


def test_the_link_is_measured_by_its_median() -> None:
    assert pytest.approx((0.1, 0.02)) == tuple(LINK)
    assert clocks.link([*EMPTY, Lap(0.0, 900.0)]).overhead == pytest.approx(0.1)


def test_speed_is_against_the_faster_baseline() -> None:
    found = judge(1.5, 1.6)
    assert found.speedup == pytest.approx(2.0)
    assert not found.tampered
    assert found.text == "2 times as fast as torch.compile (1.5 ms, not 3)"
    assert judge(1.5, 1.6, baselines=(EAGER,)).speedup == pytest.approx(4.0 / 1.5)


def test_a_slow_kernel_has_a_speed_as_well() -> None:
    assert judge(30.0, 30.1).speedup == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("events", "wall", "lies"),
    [
        (1.5, 1.6, False),
        (0.8, 1.6, False),  # more than half of it
        (0.7, 1.6, True),
        (0.0, 1.6, True),
        (0.01, 0.25, False),  # too short to tell
    ],
)
def test_events_that_leave_time_out(events: float, wall: float, lies: bool) -> None:  # noqa: FBT001
    found = judge(events, wall)
    assert found.tampered is lies
    assert found.speedup is None or not lies


def test_a_busy_machine_is_no_lie() -> None:
    some = [*laps(1.0, 1.1), *[Lap(1.0, 80.0)] * 9]
    assert not clocks.tampered(some, LINK)
    assert clocks.tampered([*laps(1.0, 80.0), *[Lap(1.0, 1.1)] * 9], LINK)


def test_a_small_lie_gains_no_more_than_noise() -> None:
    honest, lying = judge(1.5, 1.6), judge(0.9, 1.6)
    assert honest.speedup is not None
    assert lying.speedup is not None
    assert lying.speedup - honest.speedup < 0.05
    assert clocks.milliseconds(laps(0.9, 1.6), LINK) == pytest.approx(1.6 - 0.1 - 0.02)


def test_what_is_too_good_is_not_counted() -> None:
    found = judge(0.25, 0.35)
    assert (found.speedup, found.tampered) == (None, False)
    assert "12 times as fast" in found.text
    assert "not believed beyond 10 times" in found.text


def test_nothing_is_faster_than_memory() -> None:
    least = clocks.floor(8 << 30, 1 << 30)
    assert least == pytest.approx(2.0)
    found = judge(1.5, 1.6, least=least)
    assert (found.speedup, found.text) == (
        None,
        "1.5 ms are not believed: the outputs alone take 2",
    )


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (clocks.judge(laps(1, 1.1)[:5], EMPTY, (EAGER,), 0.0), "too few repetitions"),
        (clocks.judge(laps(1, 1.1), EMPTY[:2], (EAGER,), 0.0), "too few repetitions"),
        (judge(1, 1.1, baselines=()), "could not be timed"),
        (judge(0.02, 0.12, baselines=(Baseline("x", 0.05),)), "lost in the link's noise"),
        (clocks.judge(laps(9, 59), [Lap(0, 50.0)] * 9, (EAGER,), 0.0), "link's noise"),
    ],
)
def test_speed_that_cannot_be_known(found: Verdict, says: str) -> None:
    assert (found.speedup, found.tampered) == (None, False)
    assert says in found.text


@given(st.integers())
def test_a_schedule(seed: int) -> None:
    found = clocks.schedule(seed)
    assert found == clocks.schedule(seed)
    steps = [repetition.step for repetition in found]
    assert steps[: clocks.WARM_UP] == [Step.WARM] * clocks.WARM_UP
    assert steps.count(Step.EMPTY) == clocks.EMPTY
    assert steps.count(Step.VERIFIED) >= 1
    assert steps.count(Step.TRACED) >= 1
    rest = len(steps) - clocks.WARM_UP - clocks.EMPTY
    assert clocks.LEAST_REPETITIONS <= rest <= clocks.MOST_REPETITIONS
    assert len({repetition.draw for repetition in found}) == len(found)
    assert len({repetition.slot for repetition in found}) == clocks.BUFFERS


def test_schedules_differ() -> None:
    assert len({clocks.schedule(seed) for seed in range(20)}) == 20
    assert len({len(clocks.schedule(seed)) for seed in range(40)}) > 3


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=8, max_size=30))
def test_any_clocks(rows: list[tuple[float, float]]) -> None:
    found = clocks.judge([Lap(*row) for row in rows], EMPTY, (EAGER, COMPILED), 0.0)
    if found.speedup is not None:
        assert 0 < found.speedup <= clocks.QUARANTINE
        assert not found.tampered


def test_a_measured_link_bounds_its_own_share() -> None:
    assert clocks.link([Lap(0.0, 1.0)] * 9) == Link(1.0, 0.0)
