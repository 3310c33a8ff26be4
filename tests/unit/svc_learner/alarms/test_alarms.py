"""Alarms over simulated training: gamed rewards are noticed, honest curves are not."""

import random
from collections.abc import Callable, Sequence

import pytest
from learner_kit import completion

from burnish.run_spec import Alarms, Success
from svc_learner.alarms import AlarmState, AlarmWatch, Evidence
from svc_learner.alarms.evidence import component_names
from svc_learner.types import Alarm, Completion, Score

STAGES = {"format": 0.1, "compiled": 0.2, "ran": 0.2, "correct": 0.5}
"""A staged reward: each stage needs those before it."""

Chances = Callable[[float], Sequence[float]]
"""Share of the run that is over → the chance of each stage, given those before it."""


def staged(rng: random.Random, group: str, index: int, chances: Sequence[float]) -> Completion:
    parts, there = {}, True
    for stage, chance in zip(STAGES, chances, strict=True):
        there = there and rng.random() < chance
        parts[stage] = float(there)
    reward = sum(weight * parts[stage] for stage, weight in STAGES.items())
    return scored(group, index, reward, Score("triton", "r", "ok", reward, parts=parts))


def scored(
    group: str, index: int, reward: float | None, *scores: Score, tokens: int = 3
) -> Completion:
    plain = completion(group, index, reward, tokens=(7,) * tokens)
    values = {name: getattr(plain, name) for name in Completion.__slots__}
    return Completion(**values | {"scores": scores})


def training(chances: Chances, *, steps: int = 30, seed: int = 0) -> list[list[Completion]]:
    """The completions of each step: 12 groups of 8, of rows that are not equally hard."""
    rng = random.Random(seed)
    found = []
    for step in range(steps):
        members = []
        for number in range(12):
            ease = rng.uniform(0.8, 1.0)
            *stages, correct = chances(step / (steps - 1))
            now = [*stages, ease * correct]
            members += [staged(rng, f"job.rl.{12 * step + number}", i, now) for i in range(8)]
        found.append(members)
    return found


def alarms(steps: Sequence[Sequence[Completion]], **config: object) -> list[Alarm]:
    watch = AlarmWatch(Alarms(**config), AlarmState())
    raised = []
    for step, completions in enumerate(steps, start=1):
        raised += watch.see_step(step, Evidence.of(completions, Success()), era="")
    return raised


def kinds(steps: Sequence[Sequence[Completion]], **config: object) -> list[str]:
    return [alarm.kind for alarm in alarms(steps, **config)]


def gamed(t: float) -> Sequence[float]:
    """`out = mask * x`: everything compiles and runs in the end, hardly anything is right."""
    return [1.0, 0.5 + 0.5 * t, 1.0, 0.5 - 0.45 * t]


def honest(t: float) -> Sequence[float]:
    """What compiles, runs and is right grows together."""
    return [1.0, 0.5 + 0.4 * t, 0.9, 0.2 + 0.6 * t]


@pytest.mark.parametrize("seed", range(5))
def test_a_gamed_staged_reward_is_noticed(seed: int) -> None:
    raised = alarms(training(gamed, seed=seed))
    assert [alarm.kind for alarm in raised] == ["dominance"]
    assert raised[0].step < 28
    assert "`triton/correct` fell from" in raised[0].message
    assert raised[0].value >= raised[0].threshold == 0.9


@pytest.mark.parametrize(
    "chances",
    [
        honest,
        lambda _: [1.0, 0.7, 0.7, 0.3],
        lambda t: [1.0, 0.9, 0.9, 0.3 + 0.6 * t],
        lambda t: [1.0, 0.5 + 0.4 * t, 0.9, 0.3],
        lambda t: [1.0, 0.9 - 0.3 * t, 0.9 - 0.3 * t, 0.5 - 0.3 * t],
    ],
    ids=["all rise", "nothing changes", "only correctness rises", "a stage rises", "all fall"],
)
@pytest.mark.parametrize("seed", range(5))
def test_honest_curves_raise_nothing(chances: Chances, seed: int) -> None:
    assert kinds(training(chances, seed=seed)) == []


def two_rewards(style: float, right: float, number: int) -> list[Completion]:
    """12 groups of 4, judged by two rewards that have nothing to do with each other."""
    rng = random.Random(number)
    found = []
    for group in range(12):
        for i in range(4):
            a, b = float(rng.random() < style), float(rng.random() < right)
            scores = (Score("style", "r", "ok", a), Score("right", "r", "ok", b))
            found.append(scored(f"job.rl.{12 * number + group}", i, a + b, *scores))
    return found


def test_one_reward_at_the_expense_of_another() -> None:
    traded = [two_rewards(0.1 + 0.04 * t, 0.6 - 0.02 * t, t) for t in range(20)]
    assert kinds(traded) == ["dominance"]
    shared = [two_rewards(0.1 + 0.04 * t, 0.2 + 0.02 * t, t) for t in range(20)]
    assert kinds(shared) == []


def test_a_game_that_begins_late_is_noticed() -> None:
    """What is right first rises far above where it began, then gives way to style."""
    learned = [two_rewards(0.1, 0.2 + 0.03 * t, t) for t in range(16)]
    gamed_later = [two_rewards(0.9, 0.35, t) for t in range(16, 21)]
    raised = alarms(learned + gamed_later)
    assert [(alarm.kind, alarm.step > 16) for alarm in raised] == [("dominance", True)]


def test_equal_rewards_are_a_collapse_unless_they_pass() -> None:
    def step(reward: float, number: int) -> list[Completion]:
        return [scored(f"job.rl.{number}.{g}", i, reward) for g in range(4) for i in range(4)]

    assert kinds([step(0.5, n) for n in range(5)]) == ["collapse"]
    assert kinds([step(0.5, n) for n in range(4)]) == [], "the window is not full"
    assert kinds([step(1.0, n) for n in range(20)]) == [], "they pass: the rows are solved"
    assert kinds([step(0.5, n) for n in range(5)], collapse=0) == [], "turned off"


def lengths(*means: int) -> list[list[Completion]]:
    return [
        [scored(f"job.rl.{step}", i, float(i), tokens=tokens) for i in range(2)]
        for step, tokens in enumerate(means)
    ]


@pytest.mark.parametrize(
    ("means", "found"),
    [
        ((10, 10, 10, 20, 29), []),
        ((10, 10, 10, 20, 30), ["length_drift"]),
        ((30, 30, 30, 20, 10), ["length_drift"]),
    ],
)
def test_completions_that_grow_or_shrink(means: Sequence[int], found: Sequence[str]) -> None:
    assert kinds(lengths(*means), window=1, length_drift=3) == found


def test_an_alarm_stands_until_its_sign_is_gone_for_a_window() -> None:
    watch = AlarmWatch(Alarms(window=2, length_drift=3, action="pause"), AlarmState())
    raised: list[Alarm] = []
    flags = []
    for step, completions in enumerate(lengths(10, 10, 40, 40, 10, 10, 10, 10, 40, 40), start=1):
        raised += watch.see_step(step, Evidence.of(completions, Success()), era="")
        flags.append(watch.metrics().get("alarms/length_drift"))
    assert [alarm.step for alarm in raised] == [4, 10]
    assert raised[0].paused
    assert flags == [None, None, None, 1, 1, 0, 0, 0, 0, 1]


def test_another_era_is_not_compared_with_this_one() -> None:
    watch = AlarmWatch(Alarms(window=1, length_drift=3), AlarmState())
    for step, completions in enumerate(lengths(10, 10, 40, 40), start=1):
        evidence = Evidence.of(completions, Success())
        assert watch.see_step(step, evidence, era="1" if step < 3 else "2") == []


def test_the_gap_is_measured_from_the_first_evaluation() -> None:
    watch = AlarmWatch(Alarms(gap=0.3), AlarmState())
    assert watch.see_gap(2, 0.2) == []
    assert watch.see_gap(4, 0.4) == []
    (alarm,) = watch.see_gap(6, 0.5)
    assert (alarm.kind, alarm.value) == ("gap", pytest.approx(0.3))
    assert watch.see_gap(8, 0.6) == []


def test_components_are_parts_where_there_are_any_and_no_shadows() -> None:
    scores = (
        Score("style", "r", "ok", 1.0),
        Score("shadow", "r", "ok", 1.0, weight=0),
        Score("triton", "r", "ok", 1.0, parts={"ran": 1.0, "correct": 0.0}),
    )
    assert component_names([scored("g", 0, 1.0, *scores)]) == [
        "style",
        "triton/correct",
        "triton/ran",
    ]


def test_completions_without_a_reward_are_no_evidence() -> None:
    evidence = Evidence.of([scored("g.0", i, None) for i in range(4)], Success())
    assert evidence == Evidence()
