"""The reward contract as the lane applies it, without a lane."""

import json

import pytest

from svc_reward.lane.runner import interpret, judge
from svc_reward.lane.wire import Record, Status


def run(body: str, *, entry: str = "reward", context: dict[str, object] | None = None) -> Record:
    arguments = "prompt, completion, example" + (", context" if context else "")
    job: dict[str, object] = {
        "kind": "function",
        "source": f"def {entry}({arguments}):\n    {body}",
        "entry": entry,
        "prompt": "p",
        "completion": "c",
        "example": {"answer": "42"},
    }
    if context:
        job["context"] = context
    return judge(json.dumps(job).encode())


class Tensorlike:
    def __init__(self, value: object) -> None:
        self.value = value

    def __float__(self) -> float:
        if not isinstance(self.value, float):
            raise TypeError("only one element tensors can be converted")
        return self.value


@pytest.mark.parametrize(
    ("value", "status", "score"),
    [
        (1, Status.OK, 1.0),
        (0.25, Status.OK, 0.25),
        (-3, Status.OK, -3.0),
        (True, Status.OK, 1.0),
        (False, Status.OK, 0.0),
        (Tensorlike(0.5), Status.OK, 0.5),
        ({"score": 0.5}, Status.OK, 0.5),
        ({"score": 1, "valid": True, "reason": "fine"}, Status.OK, 1.0),
        ({"valid": False, "reason": "no reference"}, Status.INVALID, 0.0),
        ({"score": 1, "valid": False}, Status.INVALID, 0.0),
        (None, Status.INVALID, 0.0),
        ({}, Status.INVALID_SCORE, 0.0),
        ({"score": {"score": 1}}, Status.INVALID_SCORE, 0.0),
        ({"score": 1, "extra": 2}, Status.INVALID_SCORE, 0.0),
        (float("nan"), Status.INVALID_SCORE, 0.0),
        (float("inf"), Status.INVALID_SCORE, 0.0),
        (10**400, Status.INVALID_SCORE, 0.0),
        (1e9, Status.INVALID_SCORE, 0.0),
        ("1.0", Status.INVALID_SCORE, 0.0),
        (b"1", Status.INVALID_SCORE, 0.0),
        ([1.0], Status.INVALID_SCORE, 0.0),
        (1j, Status.INVALID_SCORE, 0.0),
        (Tensorlike([1.0, 2.0]), Status.INVALID_SCORE, 0.0),
    ],
)
def test_what_a_returned_value_means(value: object, status: Status, score: float) -> None:
    record = interpret(value)
    assert (record.status, record.value) == (status, score)


def test_arguments() -> None:
    assert run('return (prompt, completion, example["answer"]) == ("p", "c", "42")').value == 1.0
    assert run('return context["step"]', context={"step": 3}).value == 3.0
    assert run("return 1", entry="is_json").value == 1.0


def test_a_reason_stays_with_a_valid_score() -> None:
    assert run('return {"score": 1, "reason": "exact match"}').message == "exact match"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return 1 / 0", Status.ERROR),
        ("raise SystemExit(0)", Status.ERROR),
        ("raise KeyboardInterrupt", Status.ERROR),
        ("return reward(prompt, completion, example)", Status.ERROR),
        ("raise MemoryError", Status.MEMORY_LIMIT),
        ("import errno; raise OSError(errno.ENOSPC, 'full')", Status.DISK_LIMIT),
        ("import errno; raise PermissionError(errno.EPERM, 'no')", Status.BLOCKED),
        ("import socket; raise socket.gaierror(-3, 'resolve')", Status.BLOCKED),
        (
            "import urllib.error; raise urllib.error.URLError(PermissionError(1, 'no'))",
            Status.BLOCKED,
        ),
        ("import no_such_module", Status.ERROR),
    ],
)
def test_what_an_exception_means(body: str, status: Status) -> None:
    assert run(body).status is status


def test_a_traceback_shows_only_the_users_lines() -> None:
    record = run('import json; return json.loads("{")')
    lines = record.message.splitlines()
    assert lines[0] == 'line 2 in reward: import json; return json.loads("{")'
    assert lines[-1].startswith("json.decoder.JSONDecodeError: ")
    assert not any("decoder.py" in line for line in lines)


def test_a_missing_module_says_what_to_do() -> None:
    assert "not installed where the reward service runs" in run("import no_such_module").message


def test_a_source_that_does_not_load_is_an_error() -> None:
    assert judge(b'{"kind": "function", "source": "1/0", "entry": "reward"}').status is Status.ERROR
    assert judge(b"not json").status is Status.ERROR


def test_an_exception_that_cannot_be_shown() -> None:
    body = "raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()"
    assert run(body).status is Status.ERROR
