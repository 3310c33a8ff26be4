"""The command line without a platform: exit status, one sentence, JSON."""

import json
import re
from pathlib import Path

import pytest

from burnish import cli
from burnish.cli import output, platform
from burnish.sdk import Adapter, ServiceStatus
from burnish.supervisor import State, checks

NOWHERE = ("--address", "127.0.0.1:1")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BURNISH_DEBUG", raising=False)
    monkeypatch.delenv("BURNISH_ADDRESS", raising=False)


def one_sentence(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("burnish: ")
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["job"], "No such command 'job'"),
        (["jobs", "get"], "Missing argument 'JOB'"),
        (["jobs", "list", "--jsn"], "No such option: --jsn"),
        (["up", "--http-port", "99999"], "Invalid value for '--http-port'"),
        (["files", "upload", "nothing.jsonl"], "cannot read nothing.jsonl"),
        (["jobs", "create", "-f", "nothing.yaml"], "cannot read nothing.yaml"),
        (["rewards", "create", "nothing.py"], "cannot read nothing.py"),
        (["rewards", "test", "correct"], "there is nothing to judge (give --rows, or --prompt)"),
        (["rewards", "test", "correct", "--rows", "no.jsonl"], "there is no file no.jsonl"),
        (
            ["rewards", "test", "correct", "--prompt", "p", "--example", "["],
            "--example: is not a JSON object",
        ),
        (["chat", "model", "--json"], "--json needs a prompt"),
        (["demo", "--task", "poetry"], "there is no task 'poetry' (tasks: triton, extraction)"),
    ],
)
def test_bad_input_is_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*NOWHERE, *arguments]) == cli.BAD_INPUT
    assert words in one_sentence(capsys)


def test_a_mistake_in_a_job_names_its_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("training_file: a\nrewards: [{name: a}]\nstages: [{rl: {grup_size: 2}}]\n")
    assert cli.run([*NOWHERE, "jobs", "create", "-f", str(job)]) == cli.BAD_INPUT
    assert "stages[0].rl.grup_size: unknown key `grup_size`" in one_sentence(capsys)


def test_a_dataset_that_a_job_names_must_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = tmp_path / "job.yaml"
    job.write_text("training_file: rows.jsonl\nstages: [{sft: {}}]\n")
    assert cli.run([*NOWHERE, "jobs", "create", "-f", str(job)]) == cli.BAD_INPUT
    assert f"training_file: there is no file {tmp_path}/rows.jsonl" in one_sentence(capsys)


def test_no_gateway_is_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*NOWHERE, "jobs", "list"]) == cli.FAILURE
    assert "No Burnish gateway answers at 127.0.0.1:1" in one_sentence(capsys)


def test_the_unexpected_is_one_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "RunDir", lambda _: 1 / 0)
    assert cli.run(["down"]) == cli.FAILURE
    assert "failed unexpectedly (ZeroDivisionError" in one_sentence(capsys)
    monkeypatch.setenv("BURNISH_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        cli.run(["down"])


def test_nothing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == {"running": False}
    assert cli.run(["down", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": False}


def test_doctor_fails_on_what_is_required_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = [checks.Check("disk", ok=True, message="plenty")]
    monkeypatch.setattr(checks, "run_checks", lambda *_: found)
    found.append(checks.Check("gpu", ok=False, message="none", required=False))
    assert cli.run(["doctor", "--json"]) == 0
    assert [check["name"] for check in json.loads(capsys.readouterr().out)] == ["disk", "gpu"]
    found.append(checks.Check("nats", ok=False, message="not installed"))
    assert cli.run(["doctor"]) == 1
    assert re.search(r"PROBLEM\s+nats\s+not installed", capsys.readouterr().out)


def test_doctor_looks_at_this_machine(tmp_path: Path) -> None:
    found = {check.name: check for check in checks.run_checks(tmp_path, tmp_path, {"http": 0})}
    assert found["python"].ok
    assert found["nats"].ok
    assert {"packages", "disk", "http port", "base model", "docker", "gpu"} < set(found)


@pytest.mark.parametrize(("found", "word"), [(None, "docker"), ("no engine", "process")])
def test_doctor_says_which_isolation_scores_will_have(
    found: str | None, word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(checks, "docker_problem", lambda: found)
    check = next(one for one in checks.run_checks(tmp_path, tmp_path, {}) if one.name == "docker")
    assert f"isolation {word}" in check.message
    assert check.ok == (found is None)


def test_status_says_which_isolation_scores_have() -> None:
    def service(name: str, **details: str) -> ServiceStatus:
        return ServiceStatus(name, "one", "1", "idle", (), {}, details, None)

    services = [service("gateway"), service("reward", sandbox="process-unsafe")]
    assert platform.isolation("docker", services) == "process-unsafe (for development)"
    assert platform.isolation("docker", [service("reward", sandbox="docker")]) == "docker"
    assert platform.isolation("docker", []) == "docker"


def test_status_shows_every_instance() -> None:
    def learner(instance: str, activity: str) -> ServiceStatus:
        return ServiceStatus("learner", instance, "1", activity, (), {}, {}, None)

    state = State(
        1, "", "", "", "docker", pids={"learner": 42, "nats": 7}, problems={"serve": "no memory"}
    )
    services = [learner("far-9", "sft of job-2"), learner("here-42", "rl of job-1")]
    assert list(platform.status_rows(state, services)) == [
        ("learner", 42, "rl of job-1"),
        ("learner", "far-9", "sft of job-2"),
        ("nats", 7, ""),
        ("serve", "", "no memory"),
    ]


def test_every_verb_that_scripts_rely_on_takes_json(capsys: pytest.CaptureFixture[str]) -> None:
    verbs = {
        "": "up down status doctor chat demo",
        "files": "upload list get delete",
        "rewards": "create list get test lint",
        "jobs": "create list get watch events metrics completions cancel",
        "adapters": "list pull",
        "models": "list",
    }
    for group, names in verbs.items():
        for name in names.split():
            assert cli.run([*group.split(), name, "--help"]) == 0
            assert "--json" in capsys.readouterr().out, f"{group} {name}"


def test_values_become_json(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json((Adapter("job-1:v2", "base", "job-1", 2, 16),))
    (printed,) = json.loads(capsys.readouterr().out)
    assert printed["name"] == "job-1:v2"
