"""Fixtures that many tests share. Everything is real: nats-server, Docker Engine, the model."""

import contextlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def nats_server(store: Path, port: int | None = None) -> Iterator[str]:
    """A nats-server with JetStream on `store`; yields its URL."""
    port = port or free_port()
    binary = shutil.which("nats-server") or str(Path(sys.executable).with_name("nats-server"))
    process = subprocess.Popen(
        [binary, "--addr", "127.0.0.1", "--port", str(port), "--jetstream", "--store_dir", store],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.02)
        yield f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def nats_url(tmp_path: Path) -> Iterator[str]:
    """A fresh nats-server of this test's own."""
    with nats_server(tmp_path / "nats") as url:
        yield url
