"""Processes that an evaluation has started for it: each has a uid of its own and one task.

The evaluation asks over a socket of its own; the broker picks the uid, has the zygote fork, keeps
the deadline and reports the end. What a worker prints or answers never passes through the broker.
"""

import os
import socket
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from .roles import Role

CONTROL = 5
"""The descriptor of an evaluation's control socket."""

START = struct.Struct(">cBdQ")
"""Mark, role, seconds, bytes of memory; with the descriptors job, output, errors."""
KILL = struct.Struct(">cI")
STARTED = struct.Struct(">cI")
REFUSED_MARK, STARTED_MARK, ENDED_MARK = b"N", b"S", b"E"
START_MARK, KILL_MARK = b"s", b"k"
ENDED = struct.Struct(">cI?i??dQ")
LINKED = frozenset({Role.CANDIDATE, Role.COMPILER})
"""Roles whose worker holds the other end of a SOCK_SEQPACKET pair."""
MAX_MESSAGE = 256


class Ended(NamedTuple):
    """How a worker ended.

    Attributes:
        status: its wait status; None if it could not be ended.
        late: it was ended because its time was over.
        oom: the kernel, or the broker, ended it for its memory.
        cpu: CPU seconds.
        memory: bytes, its peak resident size.
    """

    status: int | None
    late: bool
    oom: bool
    cpu: float
    memory: int


class WorkersError(RuntimeError):
    """No worker can be started: the evaluation's number of them is used up, or none are allowed."""


class Worker(Protocol):
    """One started process."""

    @property
    def link(self) -> socket.socket:
        """The SOCK_SEQPACKET connection to it."""
        ...

    def kill(self) -> None: ...

    def ended(self, timeout: float) -> Ended | None:
        """How it ended; None if it has not within `timeout` seconds."""
        ...


class Workers(Protocol):
    """Starts workers."""

    @property
    def seconds(self) -> float:
        """The whole evaluation's, from its start."""
        ...

    def start(self, role: Role, payload: bytes, *, seconds: float) -> Worker: ...


class BrokerWorkers:
    """Workers as the lane's broker provides them.

    Args:
        control: the evaluation's socket to the broker.
        memory: bytes that a worker may use.
        seconds: the whole evaluation's, from its start.
    """

    def __init__(self, control: socket.socket, memory: int, seconds: float) -> None:
        self.seconds = seconds
        self._control = control
        self._memory = memory
        self._ended: dict[int, Ended] = {}

    def start(
        self,
        role: Role,
        payload: bytes,
        *,
        seconds: float,
        output: int = 1,
        errors: int = 2,
    ) -> "BrokerWorker":
        """Start a process.

        Args:
            role: what it is for.
            payload: what it reads.
            seconds: wall time after which the broker ends it.
            output: descriptor of its standard output.
            errors: descriptor of its standard error.

        Raises:
            WorkersError: the broker refuses.
        """
        job = sealed(payload)
        try:
            request = START.pack(START_MARK, role, seconds, self._memory)
            socket.send_fds(self._control, [request], [job, output, errors])
        finally:
            os.close(job)
        message, links = self._answer()
        if message[:1] == REFUSED_MARK:
            raise WorkersError(message[1:].decode(errors="replace"))
        number = STARTED.unpack(message)[1]
        return BrokerWorker(self, number, socket.socket(fileno=links[0]) if links else None)

    def ended(self, number: int, timeout: float) -> Ended | None:
        deadline = time.monotonic() + timeout
        while number not in self._ended:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._control.settimeout(left)
            try:
                self._note(self._control.recv(MAX_MESSAGE))
            except TimeoutError:
                return None
            finally:
                self._control.settimeout(None)
        return self._ended[number]

    def kill(self, number: int) -> None:
        self._control.send(KILL.pack(KILL_MARK, number))

    def fileno(self) -> int:
        """Readable when some worker has ended."""
        return self._control.fileno()

    def _answer(self) -> tuple[bytes, Sequence[int]]:
        while True:
            message, links, _, _ = socket.recv_fds(self._control, MAX_MESSAGE, 1)
            if message[:1] != ENDED_MARK:
                if not message:
                    raise WorkersError("the broker is gone")
                return message, links
            self._note(message)

    def _note(self, message: bytes) -> None:
        if not message:
            raise WorkersError("the broker is gone")
        _, number, known, status, late, oom, cpu, memory = ENDED.unpack(message)
        self._ended[number] = Ended(status if known else None, late, oom, cpu, memory)


class BrokerWorker:
    """See `Worker`."""

    def __init__(self, workers: BrokerWorkers, number: int, link: socket.socket | None) -> None:
        self._workers = workers
        self._number = number
        self._link = link

    @property
    def link(self) -> socket.socket:
        if self._link is None:
            raise WorkersError("this role has no link")
        return self._link

    def kill(self) -> None:
        self._workers.kill(self._number)

    def ended(self, timeout: float) -> Ended | None:
        return self._workers.ended(self._number, timeout)


class NoWorkers:
    """For evaluations that may not start any."""

    seconds = 0.0

    def start(self, role: Role, payload: bytes, *, seconds: float) -> Worker:  # noqa: ARG002
        raise WorkersError("this reward may not start other processes")


def sealed(data: bytes) -> int:
    """A descriptor of anonymous memory that holds `data` and that nobody can change any more."""
    import fcntl  # noqa: PLC0415 - few evaluations need it, and each import costs page faults

    memory = os.memfd_create("job", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    view = memoryview(data)
    while view:
        view = view[os.write(memory, view) :]
    os.lseek(memory, 0, os.SEEK_SET)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _ALL_SEALS)
    return memory


_ALL_SEALS = 0x1 | 0x2 | 0x4 | 0x8
"""F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE (linux/fcntl.h)."""
