"""Secrets come by name only, and never leave in a text."""

from pathlib import Path

import pytest

from burnish.errors import NotFoundError, UserError
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.secrets_folder import Secrets, masked


def test_only_named_ones_are_read(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("alpha\n")
    (tmp_path / "B").write_text("beta")
    assert Secrets(tmp_path).read(["A"]) == {"A": "alpha"}


def test_a_project_can_have_its_own(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("everybody's")
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "A").write_text("the team's")
    assert Secrets(tmp_path).read(["A"], "team") == {"A": "the team's"}
    assert Secrets(tmp_path).read(["A"], "other") == {"A": "everybody's"}


def test_a_missing_one_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no secret 'A'"):
        Secrets(tmp_path).read(["A"])
    with pytest.raises(UserError, match="keeps no secrets"):
        Secrets(None).read(["A"])


def test_values_are_masked() -> None:
    found = Outcome(Status.ERROR, message="at s3cret", stdout="s3cret s3cret-long")
    clean = masked(found, {"A": "s3cret", "B": "s3cret-long"})
    assert (clean.message, clean.stdout) == ("at ***", "*** ***")
