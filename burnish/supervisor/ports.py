"""TCP ports of one machine."""

import socket
import time
from contextlib import closing

from burnish.errors import SetupError

HOST = "127.0.0.1"


def free_port(preferred: int = 0) -> int:
    """`preferred` when nobody listens there, otherwise any free port."""
    if preferred and is_free(preferred):
        return preferred
    with closing(socket.socket()) as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def claim(port: int, option: str) -> int:
    """The port that was asked for, or any free one when it is 0.

    Raises:
        SetupError: Somebody else listens there; `option` is the way out.
    """
    if port == 0:
        return free_port()
    if not is_free(port):
        raise SetupError(
            f"Port {port} is used by another program: stop it, or choose another port with "
            f"{option} (0 takes a free one)."
        )
    return port


def greets(port: int, greeting: bytes, timeout: float = 1.0) -> bool:
    """Whether the server on `port` opens the conversation with `greeting`."""
    try:
        with closing(socket.create_connection((HOST, port), timeout=timeout)) as connection:
            return connection.recv(len(greeting)) == greeting
    except OSError:
        return False


def wait_for_greeting(port: int, greeting: bytes, timeout: float) -> bool:
    """Ask again until the server greets or `timeout` seconds are over."""
    deadline = time.monotonic() + timeout
    while not greets(port, greeting):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
