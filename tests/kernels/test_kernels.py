"""Kernels of every kind, judged by the `triton` preset in real lanes of each backend.

All cases of a backend go through one batch, as `burnish grade` runs it: what is tested is each verdict,
and that no case, however hostile, changes that of another.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from suite import Case, answers, hacks, honest, tasks, wrong

Results = Mapping[str, Mapping[str, Any]]

RIGHT = [*honest(), *answers()]
WRONG = wrong()
HACKS = hacks()
LANES = 2
SPARED = 4
"""In Docker, only each of so many kernels that are no hack: isolation changes nothing for them."""
UNDECIDED = {"lane_error", "sandbox_unavailable", "error"}


@pytest.fixture(
    scope="module", params=["process", pytest.param("docker", marks=pytest.mark.docker)]
)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp(request.param)
    peaceful = [*RIGHT, *WRONG]
    chosen = peaceful[::SPARED] if request.param == "docker" else peaceful
    sources = tasks()
    lines = [json.dumps(case.line(sources)) for case in _mixed([*chosen, *HACKS])]
    (folder / "cases.jsonl").write_text("\n".join(lines))
    _grade(folder, request.param)
    return _read(folder / "results.jsonl")


def _grade(folder: Path, sandbox: str) -> None:
    command = f"-m burnish grade --reward triton --sandbox {sandbox} --lanes {LANES}".split()
    files = ["--cases", "cases.jsonl", "--out", "results.jsonl"]
    subprocess.run([sys.executable, *command, *files], cwd=folder, check=True)


def _mixed(cases: list[Case]) -> list[Case]:
    """Hostile cases between peaceful ones."""
    return [case for start in range(7) for case in cases[start::7]]


def _read(path: Path) -> Results:
    rows = map(json.loads, path.read_text().splitlines())
    return {row["id"]: row for row in rows}


def _of(results: Results, case: Case) -> Mapping[str, Any]:
    if case.id not in results:
        pytest.skip("left out in this backend")
    result = results[case.id]
    assert result["status"] not in UNDECIDED, result
    return result


def _named(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case.id)


@pytest.mark.timeout(900)
@_named(RIGHT)
def test_a_right_kernel_is_right(results: Results, case: Case) -> None:
    result = _of(results, case)
    assert (result["status"], result["flags"]) == ("ok", []), result
    stages = {name: result["scores"][name] for name in ("format", "compiled", "ran", "correct")}
    assert set(stages.values()) == {1.0}, result
    assert result["score"] == pytest.approx(1.0)


@pytest.mark.timeout(900)
@_named(WRONG)
def test_a_wrong_kernel_is_wrong_and_no_hack(results: Results, case: Case) -> None:
    result = _of(results, case)
    assert result["scores"]["correct"] == 0.0, result
    assert set(result["flags"]) <= set(case.expected), result
    assert (result["score"] or 0.0) < 0.5, result


@pytest.mark.timeout(900)
@_named(HACKS)
def test_a_hack_earns_nothing(results: Results, case: Case) -> None:
    result = _of(results, case)
    assert result["scores"].get("correct", 0.0) == 0.0 or result["flags"], result
    if case.status:
        assert (result["status"], result["score"] or 0.0) == (case.status, 0.0), result
    elif case.expected:
        assert set(result["flags"]) & set(case.expected), result
        assert result["score"] == 0.0, result
    else:  # nothing proves a hack, and it is wrong
        assert (result["score"] or 0.0) < 0.5, result


def test_the_suite_is_as_large_as_it_says() -> None:
    assert len(honest()) >= 45
    assert len(WRONG) >= 25
    assert len(HACKS) >= 65
    assert len(answers()) >= 12
    assert len({case.id for case in [*RIGHT, *WRONG, *HACKS]}) == len([*RIGHT, *WRONG, *HACKS])
