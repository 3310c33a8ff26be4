"""The Docker Engine that DOCKER_HOST names, or else this machine's own."""

import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

DEFAULT_HOST = "unix:///var/run/docker.sock"


def address() -> str:
    """Where the engine is looked for."""
    return os.environ.get("DOCKER_HOST") or DEFAULT_HOST


def connect(seconds: float) -> "docker.DockerClient":
    """A client whose requests take at most so many seconds; the caller closes it.

    Raises:
        ImportError: the docker package is not installed.
        Exception: nothing listens, or what DOCKER_HOST names cannot be used. An engine that
            listens may still not answer.
    """
    import docker  # noqa: PLC0415 - slow, and an optional dependency

    _knock(address())
    return docker.from_env(timeout=seconds)


def _knock(where: str) -> None:
    """Raise OSError if nothing listens: the SDK would leave a socket open on its way out."""
    scheme, _, path = where.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)
