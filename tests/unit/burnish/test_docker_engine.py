"""Where no Docker Engine is."""

import gc
import socket
import warnings
from pathlib import Path

import pytest

from burnish import docker_engine
from burnish.supervisor import checks


@pytest.fixture(params=["nothing", "a dead socket"])
def absent(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "docker.sock"
    if request.param == "a dead socket":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(path))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")


@pytest.mark.usefixtures("absent")
def test_an_absent_engine_is_said_and_leaves_nothing_open() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert checks.docker_problem() == "no Docker Engine answers"
        gc.collect()
    assert not [each for each in caught if each.category is ResourceWarning]


@pytest.mark.usefixtures("absent")
def test_connecting_fails() -> None:
    with pytest.raises(OSError, match=r"No such file|refused"):
        docker_engine.connect(5)
