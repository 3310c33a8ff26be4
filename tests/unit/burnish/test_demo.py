"""The demo's parts: the short form, what is reused, the table at the end."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from burnish.demo import run, table, tasks
from burnish.demo.result import Result, collect
from burnish.sdk import EvaluatedCompletion, EvaluationCompleted, Score
from burnish.spec import JobSpec


def evaluation(label: str, text: str, value: float | None) -> EvaluationCompleted:
    score = Score(
        name="triton",
        revision="r",
        status="ok" if value is not None else "error",
        value=value,
        weight=1,
        message="",
        stdout="",
        seconds=0,
        cpu_ms=0,
        isolation="",
        flags=(),
        parts={} if value is None else {"correct": value},
        image="",
        seed=0,
    )
    answer = EvaluatedCompletion("0", "prompt", text, value, (score,))
    mean = value or 0.0
    return EvaluationCompleted(
        "job", label, 0, "", mean, {"correct": mean}, (answer,), None, {}, 1, best=False, gap=None
    )


@pytest.fixture
def result() -> Result:
    evaluations = {
        "base": evaluation("base", "sorry", 0.0),
        "step-3": evaluation("step-3", "?", 0.5),
        "final": evaluation("final", "out = x", 1.0),
    }
    heldout, correct, rows = collect(evaluations, "triton/correct", {"0": "relu(x)"})
    return Result("triton", "abc", "job", "triton/correct", heldout, correct, {"job": 61.0}, rows)


def test_stages_are_compared_row_by_row(result: Result) -> None:
    assert result.heldout == {"base": 0.0, "final": 1.0}
    (row,) = result.rows
    assert row.subject == "relu(x)"
    assert row.answers["final"].text == "out = x"


@pytest.mark.parametrize("headline", ["triton", "triton/correct"])
def test_the_headline_is_a_score_or_a_part_of_one(headline: str) -> None:
    judged = {"base": evaluation("base", "a", 0.5), "final": evaluation("final", "b", None)}
    _, correct, (row,) = collect(judged, headline, {})
    assert correct == {"base": 0.5, "final": 0.0}
    assert row.answers["base"].correct == 0.5
    assert row.answers["final"].correct is None


def test_each_headline_is_a_score_of_its_job(tmp_path: Path) -> None:
    for task in tasks.TASKS.values():
        names = {reward.name for reward in tasks.prepare(task, tmp_path, short=False).spec.rewards}
        assert task.headline.partition("/")[0] in names


def test_only_the_same_job_is_reused(result: Result, tmp_path: Path) -> None:
    path = tmp_path / "demo.json"
    result.save(path)
    assert Result.load(path, "abc") == result
    assert Result.load(path, "other") is None
    assert Result.load(tmp_path / "missing.json", "abc") is None
    path.write_text("{")
    assert Result.load(path, "abc") is None


def test_the_table_shows_answers_with_their_correctness(result: Result) -> None:
    for terminal in (True, False):
        out = io.StringIO()
        table.show(result, Console(file=out, width=120, force_terminal=terminal))
        text = out.getvalue()
        for part in ("relu(x)", "✗", "sorry", "✓", "out = x", "tuned 100%", "1:01 min"):
            assert part in text, (terminal, part)


def test_the_short_form_takes_fewer_steps() -> None:
    spec = JobSpec.parse(
        {
            "training_file": "a",
            "rewards": [{"name": "r"}],
            "stages": [{"sft": {}}, {"rl": {"steps": 16}}],
        }
    )
    short = tasks.shorten(spec, Path("/tmp/short.jsonl"))
    assert short.stages[0] == spec.stages[0]
    assert short.stages[1].rl is not None
    assert short.stages[1].rl.steps == 4
    assert short.evaluation_file == "/tmp/short.jsonl"


def test_a_finished_demo_is_shown_at_once(
    result: Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tasks.Prepared(
        tasks.TASKS["triton"],
        JobSpec.parse({"training_file": "a", "stages": [{"sft": {}}]}),
        tmp_path,
        {},
        digest="abc",
    )
    monkeypatch.setattr(run, "prepare", lambda *_, **__: prepared)
    result.save(tmp_path / "demo-triton.json")
    out = io.StringIO()
    shown = run.run(
        "triton", tmp_path, Console(file=out, width=400), short=False, keep=False, again=False
    )
    assert shown == result
    assert "--again runs it anew" in out.getvalue()
