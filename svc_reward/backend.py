"""What a place that lanes run in has to offer."""

import contextlib
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from burnish.errors import RetryableError
from svc_reward.contract import LaneClass
from svc_reward.lane import wire

LANE_FOLDER = Path(wire.__file__).parent
BOOTSTRAP = (
    "import sys, importlib.util as u\n"
    "s = u.spec_from_file_location('burnish_lane', sys.argv[1] + '/__init__.py',"
    " submodule_search_locations=[sys.argv[1]])\n"
    "m = sys.modules['burnish_lane'] = u.module_from_spec(s)\n"
    "s.loader.exec_module(m)\n"
    "from burnish_lane.main import main\n"
    "main(sys.argv[2])\n"
)
"""Imports the lane package from a folder without putting that folder on `sys.path`."""
PYTHON_FLAGS = ("-I", "-S", "-B", "-c", BOOTSTRAP)
LOG_BYTES = 4096


class SandboxError(RetryableError):
    """No lane can be had; the sentence says why and what to do."""


class LaneLost(Exception):  # noqa: N818 - an event, and never seen by users
    """A lane ended, or stopped following the protocol."""


class LaneLate(Exception):  # noqa: N818
    """A lane did not answer in time."""


class LaneProcess(Protocol):
    """A started lane, seen from outside."""

    def send(self, data: bytes, deadline: float) -> None: ...

    def receive(self, count: int, deadline: float) -> bytes:
        """Exactly `count` bytes.

        Raises:
            LaneLost: the stream ended.
            LaneLate: `deadline` (monotonic) passed.
        """
        ...

    def log(self) -> str:
        """What the lane itself said on its standard error, at the end."""
        ...

    def kill(self) -> None:
        """End it with all that it holds. Idempotent."""
        ...


class Backend(Protocol):
    """A kind of sandbox."""

    @property
    def isolation(self) -> str:
        """As it is written into every score."""
        ...

    @property
    def image(self) -> str:
        """Digest of the image that lanes are made from; "" where there is none."""
        ...

    def launch(self, lane_class: LaneClass) -> LaneProcess:
        """Start a lane; it greets when it is warm.

        Raises:
            SandboxError: it cannot be started.
        """
        ...

    def describe(self) -> Mapping[str, str]:
        """For status pages: engine, version, what is enforced."""
        ...

    def close(self) -> None: ...


class SocketStream:
    """Bytes over a socket, with absolute deadlines."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection

    def send(self, data: bytes, deadline: float) -> None:
        self._wait(deadline)
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise LaneLate from None
        except OSError as error:
            raise LaneLost(error.strerror or "closed") from error

    def receive(self, count: int, deadline: float) -> bytes:
        pieces: list[bytes] = []
        while count:
            piece = self._receive_some(min(count, 1 << 16), deadline)
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _receive_some(self, count: int, deadline: float) -> bytes:
        self._wait(deadline)
        try:
            data = self._socket.recv(count)
        except TimeoutError:
            raise LaneLate from None
        except OSError as error:
            raise LaneLost(error.strerror or "closed") from error
        if not data:
            raise LaneLost("its stream ended")
        return data

    def _wait(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise LaneLate
        try:
            self._socket.settimeout(left)
        except OSError as error:
            raise LaneLost("closed") from error

    def close(self) -> None:
        # Wakes a thread that waits in `receive`; closing alone would not.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
