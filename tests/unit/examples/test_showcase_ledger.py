"""Results on disk, and the figures made from them."""

from pathlib import Path

import pytest

from examples.triton.showcase import page
from examples.triton.showcase.intervals import estimate
from examples.triton.showcase.ledger import Answers, Ledger, Run
from examples.triton.showcase.study import Study
from examples.triton.showcase.summary import summarize


def run(arm: str, seed: int, greedy: float, **changes: object) -> Run:
    correct = round(10 * greedy)
    answers = Answers((1,) * correct + (0,) * (10 - correct), (2,) * 10, 4, 0.9)
    given: dict[str, object] = {
        "key": f"{arm}-{seed}", "arm": arm, "seed": seed, "revision": "abc", "job": "job-1",
        "adapter": "job-1:v3", "state": "succeeded", "message": "", "minutes": 2.0,
        "answers": answers, "steps": ({"step": 4.0, "correct": 0.25},), "validation": {"3": 0.5},
    }  # fmt: skip
    return Run(**{**given, **changes})  # type: ignore[arg-type]


def test_a_run_survives_the_disk(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "deep" / "runs.jsonl")
    ledger.add(run("sft-5", 0, 0.5))

    assert ledger.runs() == (run("sft-5", 0, 0.5),)


def test_a_line_that_was_cut_off_is_run_again(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "runs.jsonl")
    ledger.add(run("sft-5", 0, 0.5))
    ledger.add(run("sft-5", 1, 0.5))
    ledger.path.write_bytes(ledger.path.read_bytes()[:-40])

    assert [found.seed for found in ledger.runs()] == [0]
    ledger.add(run("sft-5", 1, 0.6))
    assert [found.seed for found in ledger.runs()] == [0, 1]


def test_the_newer_of_equal_keys_counts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "runs.jsonl")
    ledger.add(run("sft-5", 0, 0.5))
    ledger.add(run("sft-5", 0, 0.7))

    (found,) = ledger.runs()
    assert found.answers.greedy_rate == 0.7


def test_no_file_is_no_runs(tmp_path: Path) -> None:
    assert Ledger(tmp_path / "runs.jsonl").runs() == ()


def test_rates_of_answers() -> None:
    answers = Answers(greedy=(1, 0, 1, 1), sampled=(4, 0, 1, 3), samples=4, ran=1.0)

    assert (answers.greedy_rate, answers.sampled_rate, answers.any_rate) == (0.75, 0.5, 0.75)


def test_interval_of_five_seeds() -> None:
    # t(0.975, 4) = 2.776; the deviation is 0.1 * sqrt(2.5).
    found = estimate([0.1, 0.2, 0.3, 0.4, 0.5])

    assert found.mean == pytest.approx(0.3)
    assert found.half == pytest.approx(2.776 * 0.1 * 2.5**0.5 / 5**0.5)
    assert str(found) == ".300 ± .196"
    assert str(estimate([1.0])) == "1.000"


def test_gains_are_over_the_best_sft_arm_seed_by_seed() -> None:
    study = Study.load("body")
    runs = [
        *(run("sft-5", seed, 0.4) for seed in (0, 1)),
        *(run("sft-10", seed, greedy) for seed, greedy in ((0, 0.5), (1, 0.7))),
        *(run("sft-rl", seed, greedy) for seed, greedy in ((0, 0.8), (1, 0.8), (2, 1.0))),
    ]
    sft5, _, main = summarize(study, runs)

    assert sft5.greedy_gain is None
    assert main.greedy.n == 3
    assert main.greedy_gain is not None
    assert main.greedy_gain.n == 2  # seed 2 has no rival
    assert main.greedy_gain.mean == pytest.approx(0.2)


def test_the_page_names_what_failed() -> None:
    failed = run("rl", 0, 0.0, state="failed", message="The last 8 groups taught nothing")
    text = page.section(summarize(Study.load("body"), [run("sft-5", 0, 0.4), failed]), [])

    assert "| SFT, 5 epochs | 1 | .400 | .500 | 1.000 |" in text
    assert "1 of 1 runs of “RL only” failed: The last 8 groups taught nothing" in text


def test_only_the_marked_part_of_the_page_changes() -> None:
    old = "a\n<!-- body -->\nold\n<!-- /body -->\nb\n"

    assert page.replace(old, "body", "new") == "a\n<!-- body -->\n\nnew\n\n<!-- /body -->\nb\n"
    with pytest.raises(ValueError, match="kernel"):
        page.replace(old, "kernel", "new")
