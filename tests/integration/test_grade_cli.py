"""`burnish grade` as a user meets it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ENV = os.environ | {"BURNISH_SANDBOX": "process", "BURNISH_REWARD_LANES": "2"}
LENGTH = "def reward(prompt, completion, example):\n    return len(completion)\n"
SLOW = "import time\ndef reward(prompt, completion, example):\n    time.sleep(20)\n"
GRADER = {
    "type": "string_check",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
}


def grade(folder: Path, cases: Sequence[Mapping[str, Any]], *arguments: str) -> tuple[int, str]:
    (folder / "cases.jsonl").write_text("".join(json.dumps(case) + "\n" for case in cases))
    command = [sys.executable, "-m", "burnish", "grade", "--cases", "cases.jsonl"]
    done = subprocess.run(
        [*command, "--out", "out.jsonl", *arguments],
        cwd=folder,
        env=ENV,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]


def test_a_function_judges_each_case_in_order(tmp_path: Path) -> None:
    (tmp_path / "length.py").write_text(LENGTH)
    cases = [{"id": index, "completion": "x" * index} for index in range(5)]
    code, said = grade(tmp_path, cases, "--reward", "length.py", "--json")
    assert code == 0, said
    assert json.loads(said)["score"] == 2
    assert [(found["id"], found["score"]) for found in results(tmp_path)] == [
        (str(index), float(index)) for index in range(5)
    ]


def test_a_grader_judges_too(tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text(json.dumps(GRADER))
    case = {"id": "a", "completion": "4", "example": {"answer": 4}}
    code, said = grade(tmp_path, [case], "--reward", "grader.json")
    assert code == 0, said
    assert results(tmp_path)[0]["score"] == 1


def test_cases_bring_their_own_rewards_and_keep_the_time(tmp_path: Path) -> None:
    cases = [
        {"id": "fast", "completion": "xx", "reward": LENGTH},
        {"id": "slow", "completion": "", "reward": SLOW},
        {"id": "raises", "completion": "", "reward": LENGTH.replace("len", "missing")},
    ]
    code, said = grade(tmp_path, cases, "--seconds", "1")
    assert code == 0, said
    assert [found["status"] for found in results(tmp_path)] == ["ok", "timeout", "error"]
    assert 1 <= results(tmp_path)[1]["seconds"] < 9  # the default is 10
    assert [found["score"] for found in results(tmp_path)] == [2, None, None]


def test_a_second_run_judges_only_what_changed(tmp_path: Path) -> None:
    cases = [{"id": name, "completion": name, "reward": LENGTH} for name in ("a", "b")]
    assert grade(tmp_path, cases)[0] == 0
    first = results(tmp_path)
    assert grade(tmp_path, [cases[0], cases[1] | {"completion": "bb"}])[0] == 0
    second = results(tmp_path)
    assert second[0] == first[0]
    assert second[1]["score"] == 2


def test_bad_input_is_told_and_exits_with_2(tmp_path: Path) -> None:
    code, said = grade(tmp_path, [{"id": "a", "completion": "x"}])
    assert code == 2
    assert "no reward judges this case" in said
    code, said = grade(tmp_path, [{"completion": "x", "reward": LENGTH}])
    assert code == 2
    assert "line 1: id" in said
