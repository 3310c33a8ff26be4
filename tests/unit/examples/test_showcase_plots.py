"""Plots are drawn, and equal results give equal files."""

from pathlib import Path

from examples.triton.showcase import plots
from examples.triton.showcase.study import Study
from examples.triton.showcase.summary import summarize
from tests.unit.examples.test_showcase_ledger import run


def test_plots_are_drawn_alike(tmp_path: Path) -> None:
    runs = [run(arm, seed, 0.4) for arm in ("sft-5", "sft-rl", "no-replay") for seed in (0, 1)]
    study = Study.load("body")
    lines = summarize(study, runs)
    files = plots.write(study, lines, tmp_path / "a").values()
    plots.write(study, lines, tmp_path / "b")

    assert set(files) == {"showcase-body-arms.svg", "showcase-body-curves.svg"}
    for file in files:
        drawn = (tmp_path / "a" / file).read_text(encoding="utf-8")
        assert drawn == (tmp_path / "b" / file).read_text(encoding="utf-8")
        assert "SFT + RL" in drawn


def test_without_results_nothing_is_drawn(tmp_path: Path) -> None:
    assert plots.write(Study.load("body"), (), tmp_path) == {}


def test_steps_are_numbered_from_the_first_rl_step() -> None:
    runs = [run("sft-rl", seed, 0.4) for seed in (0, 1)]

    assert plots.training(runs) == {1: [0.25, 0.25]}


def test_validation_is_counted_from_the_first_rl_step() -> None:
    steps = ({"correct": 0.1}, {"correct": 0.2})
    runs = [run("rank-4", 0, 0.4, steps=steps, validation={"0": 0.0, "15": 0.4, "17": 0.6})]

    assert plots.validation(runs) == {0: [0.4], 2: [0.6]}
