"""The processes of one evaluation: started through a zygote, each under a uid of its own."""

import math
import os
import select
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from . import zygote
from .child import Ends
from .cleanup import Cleaner
from .oom import oom_kills
from .roles import Role
from .standby import UNLIMITED, Standby
from .wire import Limits

KILL_PATIENCE = 3.0
"""Seconds after which a process that does not die makes the lane unusable."""


@dataclass(slots=True)
class Process:
    """One of them.

    Attributes:
        role: what it is for.
        uid: whose it is; 0 where all share the lane's.
        deadline: monotonic time at which it is ended.
        pid: 0 until the zygote has said it.
        exit: how it ended; None while it runs.
        late: it was ended at its deadline.
        killed: it was ended by us, so its signal says nothing.
        oom: it was ended for its memory.
        cpu_before: CPU seconds that it had used before it was given its job.
    """

    role: Role
    uid: int
    deadline: float
    kills_before: int
    pid: int = 0
    exit: zygote.Exit | None = None
    late: bool = False
    killed: bool = False
    oom: bool = False
    cpu_before: float = 0.0


class Processes:
    """Starts, awaits and ends them.

    Args:
        zygotes: the interpreting one, and the compiling one where there is one.
        cleaner: ends everything that a uid has started.
        next_uid: hands out the uids.
        standby: the lane's, which outlives evaluations.
    """

    def __init__(
        self,
        zygotes: Sequence[zygote.Zygote],
        cleaner: Cleaner,
        next_uid: Callable[[], int],
        standby: Standby,
    ) -> None:
        self._zygotes = zygotes
        self._cleaner = cleaner
        self._next_uid = next_uid
        self._standby = standby
        self._starting: Mapping[int, deque[Process]] = {
            each.link.fileno(): deque() for each in zygotes
        }
        self.all: list[Process] = []

    @property
    def links(self) -> list[int]:
        """What to poll: `notice` the ones that can be read."""
        return [each.link.fileno() for each in self._zygotes]

    @property
    def alive(self) -> list[Process]:
        return [process for process in self.all if process.exit is None]

    @property
    def uids(self) -> list[int]:
        return [process.uid for process in self.all]

    def can(self, role: Role) -> bool:
        return role is not Role.COMPILER or len(self._zygotes) > 1

    def start(self, role: Role, limits: Limits, ends: Ends) -> Process:
        """Have a process forked, or take the one that stands by; `limits.wall` counts from now."""
        deadline = time.monotonic() + limits.wall
        process = self._handed_over(limits, ends) if role is Role.CANDIDATE else None
        if process is None:
            process = self._order(role, limits, ends)
        process.deadline, process.kills_before = deadline, oom_kills()
        self.all.append(process)
        return process

    def _order(self, role: Role, limits: Limits, ends: Ends) -> Process:
        source = self._zygotes[1 if role is Role.COMPILER else 0]
        process = Process(role, self._next_uid(), math.inf, oom_kills())
        source.order(role, process.uid, limits, ends)
        self._starting[source.link.fileno()].append(process)
        return process

    def _handed_over(self, limits: Limits, ends: Ends) -> Process | None:
        process = self._standby.hand_over(limits, ends.all)
        if process is not None:
            process.role = Role.CANDIDATE
        return process

    def stand_by(self) -> None:
        """Start the next standby, if the lane keeps one and has none."""
        if not self._standby.wanted or self._standby.process is not None:
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        with theirs:
            # What it says before its job is there is for the lane's own log.
            ends = Ends(theirs.fileno(), null, 2, (null,))
            self._standby.adopt(self._order(Role.STANDBY, UNLIMITED, ends), ours)
        os.close(null)

    def settle(self) -> None:
        """Wait until a standby that was ordered is there; nothing else is running."""
        while (process := self._standby.process) is not None and not process.pid:
            self.notice(self.links[0])

    def await_standby(self, seconds: float, attempts: int) -> bool:
        """Wait until a standby is warm; False if none gets there.

        Args:
            seconds: how long to wait.
            attempts: how many that end before they are warm are replaced.
        """
        if not self._standby.wanted:
            return True
        deadline = time.monotonic() + seconds
        self._hear(0)
        while not self._standby.is_warm():
            if self._standby.process is None:
                attempts -= 1
                self.stand_by()
            left = deadline - time.monotonic()
            if left <= 0 or attempts < 0:
                return False
            self._hear(left)
        return True

    def _hear(self, seconds: float) -> None:
        """Wait for news of the standby."""
        poller = select.poll()
        poller.register(self.links[0], select.POLLIN)
        if self._standby.fileno() >= 0:
            poller.register(self._standby.fileno(), select.POLLIN)
        for descriptor, _ in poller.poll(seconds * 1000):
            if descriptor == self.links[0]:
                self.notice(descriptor)

    def notice(self, link: int) -> Process | None:
        """Take one message of a zygote; the process that it says has ended, if any.

        Raises:
            ChildProcessError: a zygote is gone.
        """
        source = next(each for each in self._zygotes if each.link.fileno() == link)
        message = source.link.recv(64)
        if not message:
            raise ChildProcessError("a zygote died")
        if message[:1] == zygote.STARTED_MARK:
            self._starting[link].popleft().pid = zygote.STARTED.unpack(message)[1]
            return None
        ended = zygote.Exit(*zygote.EXITED.unpack(message)[1:])
        found = [process for process in self.all if process.pid == ended.pid and not process.exit]
        if not found and ended.pid in self._standby.pids:
            self._standby.drop()
            return None
        if not found:
            raise ChildProcessError("a zygote died")
        process = found[0]
        process.exit = ended
        by_kill = os.WIFSIGNALED(ended.status) and os.WTERMSIG(ended.status) == signal.SIGKILL
        # A SIGKILL alone proves nothing: anybody of that uid can send one.
        process.oom |= by_kill and not process.killed and oom_kills() > process.kills_before
        return process

    def kill(self, process: Process) -> None:
        """End a process with all that it has started."""
        process.killed = True
        if process.uid:
            self._cleaner.kill_all_of(process.uid)
        elif process.pid:
            for target in (os.killpg, os.kill):  # it may not lead its own session yet
                try:
                    target(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue

    def lingers(self, process: Process) -> bool:
        """Whether something that an ended process has started still runs."""
        return self._cleaner.has_processes(process.uid)

    def expire(self) -> None:
        """End those whose time is over."""
        now = time.monotonic()
        for process in self.alive:
            if now >= process.deadline and not process.late:
                process.late = True
                self.kill(process)

    def end_all(self, poll: Callable[[float], None]) -> bool:
        """End whatever still runs; False if that cannot be done.

        Args:
            poll: waits that many seconds for messages of the zygotes, and notices them.
        """
        patience = time.monotonic() + KILL_PATIENCE
        while alive := self.alive:
            for process in alive:
                self.kill(process)
            poll(0.02)
            if time.monotonic() > patience:
                return False
        return True
