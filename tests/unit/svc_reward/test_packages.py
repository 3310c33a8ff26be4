"""Requirements become layers, without a network where they are known."""

import os
import subprocess
from pathlib import Path

import pytest

from burnish.errors import RetryableError, UserError
from svc_reward import packages
from svc_reward.packages import MANIFEST, SITE, Packages


def pip_that(monkeypatch: pytest.MonkeyPatch, *, errors: str = "") -> list[list[str]]:
    """Stands in for pip, whose index no test may need; returns what it is called with."""
    calls: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        if not errors:
            site = Path(command[command.index("--target") + 1])
            (site / "tiny-1.0.dist-info").mkdir(parents=True)
            (site / "tiny.py").write_text("VALUE = 7\n")
        return subprocess.CompletedProcess(command, int(bool(errors)), "", errors)

    monkeypatch.setattr(packages.subprocess, "run", run)  # type: ignore[attr-defined]
    return calls


async def test_a_layer_is_installed_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = pip_that(monkeypatch)
    first = await Packages(tmp_path).layer(["tiny", "tiny>=1"])
    assert await Packages(tmp_path).layer(["tiny>=1", "tiny"]) == first
    assert len(calls) == 1
    assert "--only-binary=:all:" in calls[0]
    assert (tmp_path / first / SITE / "tiny.py").read_text() == "VALUE = 7\n"
    assert '"resolved": ["tiny-1.0"]' in (tmp_path / first / MANIFEST).read_text()
    assert packages.site(tmp_path, first) == str(tmp_path / first / SITE)


async def test_no_requirements_need_no_folder() -> None:
    assert await Packages().layer([]) == ""


async def test_an_installation_may_allow_none() -> None:
    with pytest.raises(UserError, match="installs no packages"):
        await Packages().layer(["tiny"])


@pytest.mark.parametrize(
    "text", ["-r x", "--index-url=x", "./tiny", "git+https://x", "tiny @ file:///x", "a b"]
)
async def test_only_names_and_versions_are_requirements(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match="is no requirement"):
        await Packages(tmp_path).layer([text])


async def test_a_failed_resolution_is_told_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip_that(monkeypatch, errors="noise\nERROR: No matching distribution found for tiny")
    with pytest.raises(UserError, match="No matching distribution"):
        await Packages(tmp_path).layer(["tiny"])
    assert [*os.scandir(tmp_path)] == []


async def test_an_index_out_of_reach_is_infrastructure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip_that(monkeypatch, errors="NewConnectionError: x\nERROR: No matching distribution found")
    with pytest.raises(RetryableError, match="cannot be reached"):
        await Packages(tmp_path).layer(["tiny"])


async def test_the_least_recently_used_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pip_that(monkeypatch)
    monkeypatch.setattr(packages, "KEPT", 1)
    old = await Packages(tmp_path).layer(["tiny"])
    new = await Packages(tmp_path).layer(["tiny>=1"])
    assert not (tmp_path / old).exists()
    assert (tmp_path / new).exists()
