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
