"""Which groups of a deterministic job are asked for again, and how often."""

from dataclasses import replace

import pytest
from learner_kit import completion

from svc_learner.pipeline.repeats import MAX_REPEATS, Disturbance, Repeats, disturbance
from svc_learner.types import Cancellation, Completion, Score

LOST = replace(completion(reward=None), message="the lane died")


def judged(status: str) -> Completion:
    return replace(LOST, scores=(Score("good", "r", status, None, message="x"),))


@pytest.mark.parametrize(
    ("arrival", "found"),
    [
        (completion(reward=0.0), ""),
        (LOST, "the lane died"),
        (judged("lane_error"), "the lane died"),
        (judged("invalid"), ""),
        (judged("timeout"), ""),
        (replace(LOST, fatal=True), ""),
        (Cancellation("g", "the engine is gone", failed=True), "the engine is gone"),
        (Cancellation("g", "older than max_staleness"), ""),
    ],
)
def test_only_the_infrastructure_disturbs(arrival: Completion | Cancellation, found: str) -> None:
    assert disturbance(arrival) == found


def test_a_group_is_asked_for_once_at_a_time() -> None:
    repeats = Repeats()
    for sequence in (7, 9):
        repeats.add(Disturbance("g", sequence, "lost"), attempt=0)
    assert [each.attempt for each in repeats.take({"g": True})] == [9]
    repeats.add(Disturbance("g", 11, "lost"), attempt=0)
    assert repeats.take({"g": True}) == [], "what became of the first request is old news"
    repeats.add(Disturbance("g", 12, "lost"), attempt=9)
    assert [each.times for each in repeats.take({"g": True})] == [2]


def test_one_that_was_not_dispatched_yet_waits_and_one_that_ended_is_forgotten() -> None:
    repeats = Repeats()
    repeats.add(Disturbance("later", 7, "lost"), attempt=0)
    repeats.add(Disturbance("over", 8, "lost"), attempt=0)
    assert repeats.take({"later": False}) == []
    assert [each.group_id for each in repeats.take({"later": True, "over": True})] == ["later"]


def test_after_some_requests_it_is_hopeless() -> None:
    repeats = Repeats()
    seen = []
    for sequence in range(1, MAX_REPEATS + 2):
        repeats.add(Disturbance("g", sequence, "lost"), attempt=sequence - 1)
        seen += [each.hopeless for each in repeats.take({"g": True})]
    assert seen == [False] * MAX_REPEATS + [True]
