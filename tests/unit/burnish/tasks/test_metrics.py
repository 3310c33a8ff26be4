"""Figures over judged kernels, against values worked out by hand."""

import json
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import UserError
from burnish.tasks import metrics, report
from burnish.tasks.metrics import Sample


def sample(task: str = "a", *, correct: bool = True, **given: object) -> Sample:
    fields: dict[str, object] = {"level": 1, "format": True, "compiled": True, "speedup": None}
    return Sample(task=task, correct=correct, **(fields | given))  # type: ignore[arg-type]


@given(st.integers(1, 7), st.data())
def test_pass_at_is_the_share_of_draws_that_hold_a_right_one(n: int, data: st.DataObject) -> None:
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations(range(n), k))
    expected = sum(min(draw) < c for draw in draws) / len(draws)
    assert metrics.pass_at(n, c, k) == pytest.approx(expected)


@pytest.mark.parametrize(("n", "c", "k"), [(2, 3, 1), (2, 1, 3), (2, 1, 0), (2, -1, 1)])
def test_pass_at_is_not_defined_everywhere(n: int, c: int, k: int) -> None:
    with pytest.raises(ValueError, match="not defined"):
        metrics.pass_at(n, c, k)


def test_fast_needs_correct_kernels_above_the_threshold() -> None:
    samples = [
        sample("a", speedup=1.5),
        sample("b", speedup=1.0),
        sample("c", speedup=3.0),
        sample("d", correct=False, speedup=9.0),
    ]
    found = metrics.figures(samples, ps=(0, 1, 2), ks=(1,))
    assert found.fast == {0: 0.75, 1: 0.5, 2: 0.25}
    assert found.correct == 0.75


def test_a_speed_that_was_not_measured_is_not_guessed() -> None:
    samples = [sample("a", speedup=2.0), sample("b")]
    assert metrics.figures(samples, ps=(0, 1), ks=()).fast == {0: 1.0, 1: None}
    samples = [sample("a", speedup=2.0), sample("b", correct=False)]
    assert metrics.figures(samples, ps=(1,), ks=()).fast == {1: 0.5}


def test_every_task_counts_the_same() -> None:
    samples = [sample("a"), *(sample("b", correct=False) for _ in range(9))]
    found = metrics.figures(samples, ps=(), ks=(1, 2))
    assert found.correct == 0.5
    assert found.pass_at == {1: 0.5}
    assert (found.tasks, found.samples) == (2, 10)


def line(name: str, *, status: str = "ok", flags: tuple[str, ...] = (), **scores: object) -> str:
    stages = {"format": 1.0, "compiled": 1.0, "ran": 1.0, "correct": 1.0, "speedup": None}
    return json.dumps({"id": name, "status": status, "flags": flags, "scores": stages | scores})


def test_samples_of_a_task_are_found_by_their_ids_or_cases() -> None:
    results = [line("t#0"), line("t#1"), line("u")]
    found = report.parse(results, where="r")
    assert [each.task for each in found.samples] == ["t", "t", "u"]
    cases = [
        {"id": "t#0", "example": {"id": "kb/1", "level": 2}},
        {"id": "t#1", "group": "g"},
        {"id": "u", "example": {"name": "relu", "level": "3"}},
    ]
    found = report.parse(results, map(json.dumps, cases), where="r")
    assert [(s.task, s.level) for s in found.samples] == [("kb/1", 2), ("g", 0), ("relu", 3)]


def test_hacks_and_what_did_not_end_well_are_not_correct() -> None:
    results = [
        line("a"),
        line("b", flags=("decoy_kernel",)),
        line("c", compiled=0.0),
        line("d", status="timeout", correct=0.0),
    ]
    found = report.parse(results, where="r")
    assert [each.correct for each in found.samples] == [True, False, False, False]
    figures = metrics.figures(found.samples, ps=(), ks=())
    assert figures.flags == {"decoy_kernel": 1}
    assert figures.flagged == 0.25


def test_results_without_a_verdict_are_counted_apart() -> None:
    found = report.parse(
        [line("a"), line("b", status="lane_error"), line("c", status="error")], where="r"
    )
    assert len(found.samples) == 1
    assert found.unjudged == {"lane_error": 1, "error": 1}


@pytest.mark.parametrize(
    "text",
    ["[1]", "{", '{"id": "a"}', '{"id": "a", "status": "ok", "scores": {}}'],
)
def test_what_is_no_result_is_named(text: str) -> None:
    with pytest.raises(UserError) as caught:
        report.parse([text], where="results.jsonl")
    assert "results.jsonl line 1" in (caught.value.field or "")
