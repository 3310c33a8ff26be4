"""`burnish tasks` from file to file."""

import json
from pathlib import Path

from typer.testing import CliRunner

from burnish import datasets
from burnish.cli.root import app

RUN = CliRunner()


def run(*words: object) -> str:
    result = RUN.invoke(app, ["tasks", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_generated_tasks_are_a_dataset(tmp_path: Path) -> None:
    out = tmp_path / "tasks.jsonl"
    said = json.loads(run("generate", "--level", "2..3", "--count", 4, "--out", out, "--json"))
    assert said == {"tasks": 8, "out": str(out)}
    dataset = datasets.parse(out.read_bytes(), out.name)
    assert [row.example["level"] for row in dataset.rows] == ["2"] * 4 + ["3"] * 4


def test_a_report_says_what_was_not_measured(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    scores = {"format": 1, "compiled": 1, "correct": 1, "speedup": None}
    row = {"id": "a#0", "status": "ok", "flags": [], "scores": scores}
    results.write_text(json.dumps(row) + "\n")
    assert "not measured" in run("report", results)
    figures = json.loads(run("report", results, "--p", 1.5, "--json"))["all"]
    assert figures["fast"] == {"1.5": None}
    assert figures["pass_at"] == {"1": 1.0}
