"""Rewards of every kind, on real lanes: what they return, import, know and run."""

import base64
import hashlib
import zipfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from burnish.errors import UserError
from burnish.reward_spec import RewardDefinition
from svc_reward.config import RewardSettings
from svc_reward.contract import Case
from svc_reward.graders import Graders
from svc_reward.judge import Judge
from svc_reward.outcome import Outcome
from svc_reward.packages import Packages
from svc_reward.sandbox import Sandbox
from svc_reward.secrets_folder import Secrets

HEAD = "def reward(prompt, completion, example):\n    "


@pytest.fixture
async def judge(tmp_path: Path) -> AsyncIterator[Judge]:
    layers, secrets = tmp_path / "layers", tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "KEY").write_text("s3cret-value\n")
    (secrets / "OTHER").write_text("not-asked-for")
    settings = RewardSettings(
        sandbox="process", reward_lanes=2, reward_packages=layers, reward_secrets=secrets
    )
    sandbox = Sandbox(settings)
    await sandbox.open()
    assert not sandbox.problem
    yield Judge(sandbox, Graders(sandbox), Packages(layers), Secrets(secrets))
    await sandbox.close()


async def run(judge: Judge, source: str, completion: str = "x", **more: Any) -> Outcome:  # noqa: ANN401
    definition = RewardDefinition.parse({"source": source, **more})
    return await judge.evaluate(definition, Case("p", completion, {"a": "1"}))


@pytest.mark.parametrize(
    ("body", "status", "value"),
    [
        ("return 1", "OK", 1.0),
        ("return True", "OK", 1.0),
        ("return None", "INVALID", None),
        ("return float('nan')", "INVALID_SCORE", None),
        ("return float('inf')", "INVALID_SCORE", None),
        ("return 10 ** 400", "INVALID_SCORE", None),
        ("return 2e6", "INVALID_SCORE", None),
        ("return '1'", "INVALID_SCORE", None),
        ("return [1]", "INVALID_SCORE", None),
        ("import numpy; return numpy.float32(0.5)", "OK", 0.5),
        ("return {'score': 0.5}", "OK", 0.5),
        ("return {'valid': False}", "INVALID", None),
        ("return {'score': 1, 'sorce': 2}", "INVALID_SCORE", None),
        ("return {'score': 1, 'scores': {'a': float('nan')}}", "INVALID_SCORE", None),
        ("return {'score': 1, 'flags': ['not a name']}", "INVALID_SCORE", None),
    ],
)
async def test_what_is_returned(judge: Judge, body: str, status: str, value: float | None) -> None:
    found = await run(judge, HEAD + body)
    assert (found.status.name, found.value) == (status, value), found.message


async def test_a_dict_explains_itself(judge: Judge) -> None:
    body = "return {'score': 0.5, 'reason': 'why', 'scores': {'a': 1}, 'flags': ['odd']}"
    found = await run(judge, HEAD + body)
    assert (found.message, found.parts, tuple(found.flags)) == ("why", {"a": 1.0}, ("odd",))


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        ("[len(each) for each in completions]", ["OK", "OK"]),
        ("[1, None]", ["OK", "INVALID"]),
        ("[1]", ["INVALID_SCORE"] * 2),
        ("1", ["INVALID_SCORE"] * 2),
        ("[1, 'x']", ["INVALID_SCORE"] * 2),
    ],
)
async def test_a_group(judge: Judge, body: str, statuses: list[str]) -> None:
    source = f"def reward(prompt, completions, example):\n    return {body}"
    definition = RewardDefinition.parse({"source": source})
    found = await judge.evaluate_group(definition, Case("p", ""), ["a", "bb"])
    assert [each.status.name for each in found] == statuses


async def test_only_named_secrets_arrive_and_are_masked(judge: Judge) -> None:
    body = "import os; print(os.environ['KEY']); return float('OTHER' in os.environ)"
    found = await run(judge, HEAD + body, secrets=["KEY"])
    assert (found.value, found.stdout) == (0.0, "***\n")
    with pytest.raises(UserError, match="no secret 'MISSING'"):
        await run(judge, HEAD + "return 1", secrets=["MISSING"])


async def test_a_program_sees_no_secret_and_no_file(judge: Judge) -> None:
    source = (
        "import os\nfrom burnish import sandbox\n"
        "def reward(prompt, completion, example):\n"
        "    open('mine', 'w').write(os.environ['KEY'])\n"
        "    done = sandbox.run(completion, stdin='in', timeout=5)\n"
        "    print(done.stdout, done.stderr)\n"
        "    return done.exit_code\n"
    )
    program = (
        "import os, sys\nassert input() == 'in'\nassert 'KEY' not in os.environ\n"
        "for path in ('mine', f'/proc/{os.getppid()}/mem', f'/proc/{os.getppid()}/environ'):\n"
        "    try:\n        open(path, 'rb').read(1)\n"
        "    except OSError:\n        continue\n    sys.exit(9)\n"
        "sys.exit(3)\n"
    )
    found = await run(judge, source, program, secrets=["KEY"])
    assert found.value == 3, (found.message, found.stdout)


async def test_many_programs_in_a_row_with_limits(judge: Judge) -> None:
    source = (
        "from burnish import sandbox\n"
        "def reward(prompt, completion, example):\n"
        "    assert all(sandbox.run('print(1)').stdout == '1\\n' for _ in range(20))\n"
        "    assert sandbox.run('while True: pass', timeout=0.2).timed_out\n"
        "    loud = sandbox.run('print(\"x\" * 10 ** 6)')\n"
        "    return float(loud.truncated and len(loud.stdout) == 65536)\n"
    )
    found = await run(judge, source)
    assert found.value == 1, found.message


async def test_limits_above_the_operators_are_refused(judge: Judge) -> None:
    with pytest.raises(UserError, match="more than this installation allows"):
        await run(judge, HEAD + "return 1", limits={"seconds": 3000})
    slow = await run(judge, HEAD + "\n    while True: pass", limits={"seconds": 0.5})
    assert slow.status.name == "TIMEOUT"


def wheel(folder: Path, files: Mapping[str, str]) -> None:
    """A pure wheel `tiny` 1.0."""
    info = "tiny-1.0.dist-info"
    texts = dict(files) | {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{info}/RECORD,,\n"
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
        for name, text in texts.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
            archive.writestr(name, text)
        archive.writestr(f"{info}/RECORD", record)


async def test_a_package_is_found_after_the_library_and_without_a_network(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(tmp_path, {"tiny.py": "VALUE = 7\n", "json.py": "VALUE = 'shadow'\n"})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    body = "import json, tiny; return tiny.VALUE + len(json.loads('[1]'))"
    found = await run(judge, HEAD + body, packages=["tiny==1.0"])
    assert found.value == 8, found.message
    assert "packages@sha256:" in found.image
    body = "import tiny, socket; socket.create_connection(('1.1.1.1', 53), 1)"
    assert (await run(judge, HEAD + body, packages=["tiny==1.0"])).status.name == "BLOCKED"
    lost = await run(judge, HEAD + "return 1", packages=["tiny==9"])
    assert lost.status.name == "ERROR"
    assert "tiny==9" in lost.message
