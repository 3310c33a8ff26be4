"""Waiting is told by phase, from durations alone."""

import time

import pytest

from svc_learner.pipeline.bottleneck import explain
from svc_learner.pipeline.clock import Clock, Sampled
from svc_learner.pipeline.timing import Arrival, Timing

ARRIVAL = Arrival(100.0, Timing(sampling_queue=1, sampling=4, scoring_queue=2, scoring=3))


def test_phases_are_laid_out_backwards_from_the_arrival() -> None:
    assert list(ARRIVAL.spans()) == [
        ("scoring", 97, 100),
        ("scoring_queue", 95, 97),
        ("sampling", 91, 95),
        ("sampling_queue", 90, 91),
    ]
    assert ARRIVAL.sampled == 95
    assert ARRIVAL.dispatched == 90


def test_durations_hold_their_waiting_part() -> None:
    assert Timing.of(5, 1, 5, 2) == Timing(1, 4, 2, 3)
    assert Timing.of(0, 0, 1, 2).scoring == 0, "a clock that jumped"


@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        ([(98, 100)], {"scoring": 2}),
        ([(90, 100)], {"scoring": 3, "scoring_queue": 2, "sampling": 4, "sampling_queue": 1}),
        ([(94, 95.5), (96, 97.5)], {"scoring": 0.5, "scoring_queue": 1.5, "sampling": 1}),
        ([(80, 89)], {}),
    ],
)
def test_a_wait_belongs_to_the_phases_it_overlaps(
    waits: list[tuple[float, float]], expected: dict[str, float]
) -> None:
    clock = Clock()
    for begin, end in waits:
        clock.wait(begin, end)
    clock.explain(ARRIVAL, idle=0)
    assert {k: v for k, v in clock.phases.items() if v} == expected
    clock.explain(ARRIVAL, idle=0)
    assert sum(clock.phases.values()) == sum(expected.values()), "each wait is explained once"


@pytest.mark.parametrize(
    ("idle", "expected"),
    [
        (0, {"sampling": 4, "scoring": 3}),
        (3, {"sampling": 4, "scoring": 3}),
        (8, {"pacing": 5, "scoring": 2}),
        (50, {"pacing": 7}),
    ],
)
def test_what_an_earlier_dispatch_would_have_saved_is_pacing(
    idle: float, expected: dict[str, float]
) -> None:
    clock = Clock()
    clock.wait(91, 95)
    clock.wait(97, 100)
    clock.explain(ARRIVAL, idle=idle)  # 3 s of which it would only have queued
    assert {k: v for k, v in clock.phases.items() if v} == pytest.approx(expected)


def test_sampling_stood_still_from_the_last_token_to_the_dispatch() -> None:
    sampled = Sampled()
    assert sampled.idle_before(90) == 0, "nothing came before: nothing held it back"
    sampled.add(Arrival(80, Timing(0, 10, 0, 5)))
    sampled.add(Arrival(81, Timing(0, 10, 0, 2)))
    assert sampled.idle_before(90) == 90 - 79
    sampled.add(Arrival(100, Timing(0, 10, 0, 1)))  # dispatched at 89, sampled until 99
    assert sampled.idle_before(90) == 0
    assert sampled.idle_before(89.01) == 89.01 - 79, "dispatched at once with it"


def test_shares_never_add_up_to_more_than_the_step() -> None:
    clock = Clock(started=time.monotonic() - 10)
    clock.training, clock.saving = 6, 1
    clock.wait(97, 100)
    clock.explain(ARRIVAL, idle=0)
    shares = clock.shares()
    assert sum(shares.values()) == pytest.approx(1, abs=0.01)
    assert shares["utilisation/training"] == pytest.approx(0.6, abs=0.01)
    clock.training = 30
    assert sum(clock.shares().values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("waiting/scoring_queue", "62 % waiting for scores: add reward lanes"),
        ("waiting/scoring", "make the reward function faster"),
        ("waiting/sampling", "add a serve replica"),
        ("waiting/sampling_queue", "BURNISH_ROLLOUT_GROUPS"),
        ("waiting/pacing", "held back by `max_staleness`: raise it"),
        ("utilisation/training", "training is the limit"),
        ("utilisation/saving", "saving checkpoints"),
    ],
)
def test_the_greatest_share_says_what_to_do(name: str, words: str) -> None:
    shares = dict.fromkeys(("waiting/scoring_queue", "utilisation/training"), 0.1)
    assert words in explain(shares | {name: 0.62}, by_staleness=True)


def test_the_limit_on_groups_is_named_where_it_holds() -> None:
    assert "BURNISH_LEARNER_GROUPS" in explain({"waiting/pacing": 0.5}, by_staleness=False)
    assert explain({"waiting/pacing": 0.01}, by_staleness=False) == ""
