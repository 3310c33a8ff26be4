"""What an evaluation may ask of the broker. A hostile one can send anything."""

import math
import os
import socket
from dataclasses import dataclass

from .roles import Role
from .workers import KILL, KILL_MARK, MAX_MESSAGE, START, START_MARK

MAX_ENDS = 16
_STARTABLE = frozenset({Role.RUN, Role.CANDIDATE, Role.COMPILER})


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        role: what to start.
        seconds: wall time of what is started.
        memory: bytes that it may use.
        ends: its job, standard output and standard error.
        kill: number of the worker to end, instead of starting one.
        refusal: why the request cannot be followed.
    """

    role: Role = Role.RUN
    seconds: float = 0.0
    memory: int = 0
    ends: tuple[int, ...] = ()
    kill: int | None = None
    refusal: str = ""

    def close(self) -> None:
        for end in self.ends:
            os.close(end)


def read_request(control: socket.socket) -> Request | None:
    """Take one request off the socket; None if there is no other side any more."""
    try:
        message, ends, _, _ = socket.recv_fds(control, MAX_MESSAGE, MAX_ENDS)
    except BlockingIOError:
        return Request(refusal="nothing was asked")
    except OSError:
        return None
    if not message:
        return None
    return _parse(message, tuple(ends))


def _parse(message: bytes, ends: tuple[int, ...]) -> Request:
    if message[:1] == KILL_MARK and len(message) == KILL.size:
        return Request(kill=KILL.unpack(message)[1], ends=ends)
    if message[:1] != START_MARK or len(message) != START.size or len(ends) != 3:
        return Request(refusal="malformed request", ends=ends)
    _, role, seconds, memory = START.unpack(message)
    if role not in _STARTABLE or not math.isfinite(seconds) or seconds <= 0:
        return Request(refusal="malformed request", ends=ends)
    return Request(Role(role), seconds, memory, ends)
