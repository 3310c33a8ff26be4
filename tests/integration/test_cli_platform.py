"""The command line and the client against a running platform."""

import json
from pathlib import Path
from typing import Any

import pytest

from burnish import cli
from burnish.errors import NotFoundError, UserError
from burnish.sdk import Client
from burnish.supervisor import Platform

pytestmark = pytest.mark.model

ROWS = '{"prompt": "say hi", "completion": "hi"}\n{"prompt": "say yes", "completion": "yes"}\n'
REWARD = "def reward(prompt, completion, example):\n    return float(prompt.endswith(completion))\n"
ROLLS = """import random
def reward(prompt, completion, example):
    return random.random() + len(completion)
"""
RANKS = """def reward(prompt, completions, example):
    ordered = sorted(map(len, completions))
    return [ordered.index(len(text)) for text in completions]
"""
EXPLAINS = """def reward(prompt, completion, example):
    return {"score": 0.5, "scores": {"length": len(completion)}, "flags": ["short"]}
"""
GRADER = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{ item.answer }}",
}


class Burnish:
    """Runs a verb with --json and returns what it printed."""

    def __init__(self, address: str, capsys: pytest.CaptureFixture[str]) -> None:
        self._address = address
        self._capsys = capsys

    def __call__(self, *arguments: object, status: int = 0) -> Any:  # noqa: ANN401 (JSON)
        command = ["--address", self._address, *map(str, arguments), "--json"]
        assert cli.run(command) == status, self._capsys.readouterr().err
        out = self._capsys.readouterr().out
        return json.loads(out) if out else None


@pytest.fixture
def burnish(burnish_up: Platform, capsys: pytest.CaptureFixture[str]) -> Burnish:
    return Burnish(burnish_up.grpc_address, capsys)


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text(ROWS)
    return path


@pytest.fixture
def reward(tmp_path: Path) -> Path:
    path = tmp_path / "ends_well.py"
    path.write_text(REWARD)
    return path


def test_files_come_back_as_they_went(burnish: Burnish, rows: Path, tmp_path: Path) -> None:
    (file,) = burnish("files", "upload", rows)
    assert (file["rows"], file["labelled_rows"]) == (2, 2)
    assert file["id"] in {one["id"] for one in burnish("files", "list")}
    burnish("files", "get", file["id"], "--out", tmp_path / "back.jsonl")
    assert (tmp_path / "back.jsonl").read_text() == ROWS
    burnish("files", "delete", file["id"])
    burnish("files", "get", file["id"], status=2)


def test_a_reward_is_tried_before_any_job(burnish: Burnish, rows: Path, reward: Path) -> None:
    verdicts = burnish("rewards", "test", reward, "--rows", rows)
    assert [verdict["score"] for verdict in verdicts] == [1.0, 1.0]
    created = burnish("rewards", "create", reward)
    assert created["name"] == "ends_well"
    assert burnish("rewards", "create", reward)["revision"] == created["revision"]
    given = ("--prompt", "say no", "--completion", "yes")
    (verdict,) = burnish("rewards", "test", "ends_well", *given)
    assert (verdict["status"], verdict["score"]) == ("ok", 0.0)


def test_a_reward_that_raises_is_status_1(burnish: Burnish, rows: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def reward(prompt, completion, example):\n    return 1 / 0\n")
    verdicts = burnish("rewards", "test", broken, "--rows", rows, status=1)
    assert {verdict["status"] for verdict in verdicts} == {"error"}
    assert "ZeroDivisionError" in verdicts[0]["message"]


def test_remarks_are_printed_at_creation_and_by_lint(
    burnish: Burnish, burnish_up: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rolls.py"
    file.write_text(ROLLS)
    (remark,) = burnish("rewards", "lint", file, status=1)
    assert (remark["line"], remark["rule"]) == (3, "randomness")
    assert burnish("rewards", "create", file)["warnings"] == [remark]
    assert cli.run(["--address", burnish_up.grpc_address, "rewards", "create", str(file)]) == 0
    assert f"{file}:3: randomness: " in capsys.readouterr().out


def test_a_definition_comes_back_as_its_options_said(
    burnish: Burnish, burnish_up: Platform, reward: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    limits = ("--limit", "seconds=5", "--limit", "memory_mib=128")
    old = burnish("rewards", "create", reward, "--name", "limited", *limits)
    new = burnish("rewards", "create", reward, "--name", "limited")
    assert old["definition"]["limits"]["seconds"] == 5
    assert burnish("rewards", "get", "limited")["revision"] == new["revision"]
    again = burnish("rewards", "get", "limited", "--revision", old["revision"])
    assert again["definition"] == old["definition"]
    assert cli.run(["--address", burnish_up.grpc_address, "rewards", "get", "limited"]) == 0
    assert capsys.readouterr().out.rstrip() == REWARD.rstrip()


def test_presets_and_graders_are_created_too(burnish: Burnish, tmp_path: Path) -> None:
    weights = ("--option", "weights.correct=1", "--option", "target=cuda:80")
    kernels = burnish("rewards", "create", "--preset", "triton", *weights)
    assert kernels["name"] == "triton"
    assert kernels["definition"]["options"] == {"weights": {"correct": 1}, "target": "cuda:80"}
    grader = tmp_path / "exact.json"
    grader.write_text(json.dumps(GRADER))
    given = ("--prompt", "4?", "--example", '{"answer": "4"}', "--completion", "4")
    (verdict,) = burnish("rewards", "test", "--grader", grader, *given)
    assert verdict["score"] == 1.0
    assert burnish("rewards", "create", "--grader", grader)["definition"]["grader"] == GRADER


@pytest.mark.parametrize(
    "options", [("--secret", "NOWHERE"), ("--package", "six"), ("--limit", "seconds=3600")]
)
def test_what_is_not_there_is_refused_at_creation(
    burnish: Burnish, reward: Path, options: tuple[str, str]
) -> None:
    burnish("rewards", "create", reward, "--name", "unusable", *options, status=2)
    assert "unusable" not in {one["name"] for one in burnish("rewards", "list")}


def test_completions_of_one_row_are_a_group(burnish: Burnish, tmp_path: Path) -> None:
    file = tmp_path / "ranks.py"
    file.write_text(RANKS)
    pasted = tmp_path / "pasted.jsonl"
    pasted.write_text('{"completion": "three"}\n"a"\n')
    given = ("--prompt", "p", "--completion", "zz", "--completions-file", pasted)
    verdicts = burnish("rewards", "test", file, *given)
    assert [verdict["score"] for verdict in verdicts] == [1.0, 2.0, 0.0]


def test_parts_and_flags_are_shown(
    burnish_up: Platform, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "explains.py"
    file.write_text(EXPLAINS)
    command = ["--address", burnish_up.grpc_address, "rewards", "test", str(file)]
    assert cli.run([*command, "--prompt", "p", "--completion", "abc"]) == 0
    shown = capsys.readouterr().out
    assert "length=3" in shown
    assert "short" in shown


def test_the_base_model_chats(burnish: Burnish) -> None:
    model = burnish("models", "list")[0]["id"]
    answer = burnish("chat", model, "Say hello.", "--max-tokens", 4)
    assert answer["text"]


def test_errors_carry_the_servers_sentence(burnish_up: Platform) -> None:
    with Client(burnish_up.grpc_address) as client:
        with pytest.raises(NotFoundError, match="no job 'job-none'"):
            client.jobs.get("job-none")
        with pytest.raises(UserError, match=r"no `prompt` or `messages` column") as caught:
            client.files.upload_bytes(b'{"question": "hi"}\n', "rows.jsonl")
        assert caught.value.field == "file"
        with pytest.raises(NotFoundError):
            list(client.chat("no-such-model", "hi"))
        assert {"gateway", "serve"} <= {service.service for service in client.services()}
