"""A candidate that waits for its job: started early, handed over once.

A context on a GPU takes seconds to make, and a fork cannot inherit one. So a lane keeps one process
that is a candidate in all but its job: it has its uid, its filter and its context. The job, the
limits and the link come over a socket that only the broker holds the other end of.
"""

import math
import socket
import struct
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .wire import LIMITS, Limits

if TYPE_CHECKING:
    from .processes import Process

WARM = struct.Struct(">d")
"""The CPU seconds that it took."""
HANDOVER = struct.Struct(">" + LIMITS)
ENDS = 4
UNLIMITED = Limits(wall=1e6, memory=1 << 45, file=1 << 45, processes=1 << 20)
"""Of a standby: until the handover it runs nothing foreign, and limits can only be lowered."""

STANDBY_SECONDS = 60.0
"""In which one gets warm: on a GPU it takes some seconds."""


class Standby:
    """The broker's side: the one of a lane, or none.

    Attributes:
        wanted: whether the lane keeps one.
        process: it; stays until its end is known.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.wanted = wanted
        self.process: Process | None = None
        self._channel: socket.socket | None = None
        self._warm = False

    @property
    def uid(self) -> int:
        """Of nobody else, for as long as it waits."""
        return self.process.uid if self.process is not None else 0

    @property
    def pids(self) -> frozenset[int]:
        return frozenset((self.process.pid,) if self.process is not None else ())

    def adopt(self, process: "Process", channel: socket.socket) -> None:
        """Keep a process that has just been started."""
        self.drop()
        self.process, self._channel = process, channel
        channel.settimeout(0)

    def is_warm(self) -> bool:
        """Whether it could take a job at once."""
        if self._channel is None or self.process is None:
            return False
        if not self._warm:
            try:
                message = self._channel.recv(WARM.size)
            except BlockingIOError:
                return False
            except OSError:
                message = b""
            if len(message) != WARM.size:
                self._hang_up()
                return False
            self.process.cpu_before = WARM.unpack(message)[0]
            self._warm = True
        return True

    def hand_over(self, limits: Limits, ends: Sequence[int]) -> "Process | None":
        """Give it its job, which makes it a candidate like any other; None if it cannot take one.

        Args:
            limits: of that job, from now on.
            ends: the descriptors: job, output, errors, link.
        """
        if not self.is_warm() or self._channel is None:
            return None
        try:
            socket.send_fds(self._channel, [HANDOVER.pack(*limits)], list(ends))
        except OSError:  # it has died: its end is still to be told
            self._hang_up()
            return None
        process, self.process = self.process, None
        self._hang_up()
        return process

    def drop(self) -> None:
        """Forget it: it has ended."""
        self.process = None
        self._hang_up()

    def fileno(self) -> int:
        """What to poll; -1 for nothing."""
        return -1 if self._channel is None else self._channel.fileno()

    def _hang_up(self) -> None:
        self._warm = False
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def await_job(channel: socket.socket) -> tuple[Limits, tuple[int, ...]] | None:
    """The process's side: say that it is warm, and wait; None if the lane is gone."""
    try:
        channel.send(WARM.pack(time.process_time()))
        message, ends, _, _ = socket.recv_fds(channel, HANDOVER.size, ENDS)
    except OSError:
        return None
    if len(message) != HANDOVER.size or len(ends) != ENDS:
        return None
    return Limits(*HANDOVER.unpack(message)), tuple(ends)


def cpu_limit(limits: Limits, spent: float = 0.0) -> int:
    """CPU seconds that a process may have used when it is ended."""
    return math.ceil(limits.wall + spent) + 1
