"""Fixtures over the real thing: a nats-server, the language model, the whole platform.

What a test's marker needs is looked up once. A missing tool skips the test and says why; with
BURNISH_REQUIRE_ALL=1 it fails the test instead, so that CI cannot pass by skipping.
"""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest

from burnish import models
from burnish.errors import BurnishError
from burnish.supervisor import Platform, checks, nats
from burnish.supervisor.ports import free_port

ROOT = Path(__file__).parent.parent


@cache
def _docker_problem() -> str | None:
    return checks.docker_problem()


@cache
def _browser_problem() -> str | None:
    names = ("chromium", "chromium-browser", "google-chrome")
    if os.environ.get("BURNISH_CHROMIUM") or any(shutil.which(name) for name in names):
        return None
    return "no Chromium on the path (BURNISH_CHROMIUM names one elsewhere)"


@cache
def _vllm_problem() -> str | None:
    if importlib.util.find_spec("vllm") is not None:
        return None
    python = os.environ.get("BURNISH_VLLM_PYTHON") or ROOT / ".venv-vllm" / "bin" / "python"
    return None if Path(python).exists() else "no vLLM environment (scripts/vllm_env.sh makes it)"


@cache
def _model_problem() -> str | None:
    try:
        models.ensure(models.SMOLLM2, _models_dir())
    except BurnishError as error:
        return str(error)
    return None


PROBLEMS: dict[str, Callable[[], str | None]] = {
    "docker": _docker_problem,
    "browser": _browser_problem,
    "vllm": _vllm_problem,
    "model": _model_problem,
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, problem_of in PROBLEMS.items():
        if item.get_closest_marker(marker) is None:
            continue
        problem = problem_of()
        if problem is not None and os.environ.get("BURNISH_REQUIRE_ALL") == "1":
            pytest.fail(f"needs {marker}: {problem}", pytrace=False)
        if problem is not None:
            pytest.skip(f"needs {marker}: {problem}")


def _models_dir() -> Path:
    return Path(os.environ.get("BURNISH_MODELS_DIR") or "~/.cache/burnish/models").expanduser()


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A nats-server of its own for each test, with JetStream on disk."""
    port = free_port()
    folder = tmp_path / "nats"
    command = nats.command(folder, port)
    with (folder / "nats.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        assert nats.wait_until_ready(port), (folder / "nats.log").read_text()
        yield nats.url(port)
    finally:
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def model_dir() -> Path:
    """The folder of the built-in base model; its parent is a models directory."""
    return models.ensure(models.SMOLLM2, _models_dir())


@pytest.fixture(scope="session")
def burnish_up(tmp_path_factory: pytest.TempPathFactory, model_dir: Path) -> Iterator[Platform]:
    """The whole platform, shared by all tests that ask for it."""
    env = {"BURNISH_MODELS_DIR": str(model_dir.parent)}
    with Platform(tmp_path_factory.mktemp("burnish"), env=env) as platform:
        yield platform


@pytest.fixture(scope="session")
def triton_data() -> ModuleType:
    """The script that writes the Triton example's rows."""
    path = ROOT / "examples" / "triton" / "make_data.py"
    spec = importlib.util.spec_from_file_location("triton_data", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
