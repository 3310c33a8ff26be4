"""The lane's init: takes jobs from the host, has children run them, reports what it saw."""

import os
import select
import socket
import time
from typing import NoReturn

from . import verdict, zygote
from .child import Pipes
from .cleanup import Cleaner
from .oom import MemoryGuard, oom_kills
from .settings import LaneSettings
from .wire import (
    FRAME,
    MAX_RECORD,
    MAX_STDOUT,
    Job,
    Kind,
    Limits,
    Record,
    Result,
    WireError,
    frame,
    parse_frame_header,
)

EXIT_GRACE = 0.2
"""Seconds that a child has to end by itself once its record is complete."""
KILL_PATIENCE = 3.0
"""Seconds after which a child that does not die makes the lane unusable."""
READ = 1 << 16


class Broker:
    """One lane, until the host hangs up.

    Args:
        settings: the lane's.
        source: descriptor that jobs come from.
        sink: descriptor that results go to.
    """

    def __init__(self, settings: LaneSettings, source: int = 0, sink: int = 1) -> None:
        self._settings = settings
        self._source = source
        self._sink = sink
        self._count = 0
        self._pid, self._zygote = zygote.start(settings, (source, sink))
        self._cleaner = Cleaner(settings, self._pid)

    def run(self) -> NoReturn:
        """Serve jobs; exits when there is nobody to serve."""
        greeting = self._zygote.recv(4096)
        if greeting[:1] != zygote.READY:
            reason = greeting[1:] or b"the zygote died while it loaded its modules"
            self._send(Kind.FATAL, reason)
            os._exit(1)
        # Only now is everything there that a clean lane has.
        self._cleaner = Cleaner(self._settings, self._pid)
        self._send(Kind.READY, b"")
        while (job := self._next_job()) is not None:
            self._send(Kind.RESULT, self._evaluate(job).pack())
        os._exit(0)

    def _next_job(self) -> Job | None:
        header = self._read(FRAME.size)
        if header is None:
            return None
        length, kind = parse_frame_header(header)
        if kind is not Kind.JOB:
            raise WireError("the host sent something other than a job")
        body = self._read(length)
        return None if body is None else Job.unpack(body)

    def _read(self, count: int) -> bytes | None:
        data = b""
        while len(data) < count:
            piece = os.read(self._source, min(count - len(data), 1 << 20))
            if not piece:
                return None
            data += piece
        return data

    def _send(self, kind: Kind, body: bytes) -> None:
        data = frame(kind, body)
        while data:
            data = data[os.write(self._sink, data) :]

    def _evaluate(self, job: Job) -> Result:
        uid = self._next_uid()
        kills = oom_kills()
        evaluation = Evaluation(self._zygote, uid, job, guard=self._guard(uid, job.limits))
        try:
            evaluation.run()
            ended = evaluation.finish(self._cleaner)
        finally:
            evaluation.close()
        clean = ended and self._cleaner.clean(uid)
        seen = evaluation.observation(oom_kills() - kills)
        record = verdict.decide(seen, job.limits)
        return Result(
            job.sequence,
            record.status,
            clean,
            record.value,
            evaluation.seconds,
            evaluation.cpu,
            evaluation.memory,
            record.message,
            evaluation.stdout,
        )

    def _next_uid(self) -> int:
        if not self._settings.first_uid:
            return 0
        uid = self._settings.first_uid + self._count % self._settings.uids
        self._count += 1
        return uid

    def _guard(self, uid: int, limits: Limits) -> MemoryGuard | None:
        if not self._settings.guard_memory or not uid:
            return None
        return MemoryGuard(uid, limits.memory)


class Evaluation:
    """One job's descriptors and what came through them."""

    def __init__(
        self, link: socket.socket, uid: int, job: Job, *, guard: MemoryGuard | None
    ) -> None:
        self._link = link
        self._uid = uid
        self._limits = job.limits
        self._unsent = memoryview(job.payload)
        self._guard = guard
        self._record = b""
        self._kept = b""
        self._printed = 0
        self._pid = 0
        self._exit: zygote.Exit | None = None
        self._late = self._overweight = False
        self._started = time.monotonic()
        self._ended = 0.0
        theirs_job, self._job = os.pipe()
        self._result, theirs_result = os.pipe()
        self._output, theirs_output = os.pipe()
        for end in (self._job, self._result, self._output):
            os.set_blocking(end, False)
        pipes = Pipes(theirs_job, theirs_result, theirs_output)
        zygote.order(link, uid, job.limits, pipes)
        for end in pipes:
            os.close(end)

    @property
    def seconds(self) -> float:
        return self._ended - self._started

    @property
    def cpu(self) -> float:
        return self._exit.cpu if self._exit else 0.0

    @property
    def memory(self) -> int:
        return self._exit.memory if self._exit else 0

    @property
    def stdout(self) -> str:
        text = self._kept.decode(errors="backslashreplace")
        return f"{text}\n… truncated" if self._printed > len(self._kept) else text

    def observation(self, kills: int) -> verdict.Observation:
        status = self._exit.status if self._exit else None
        flooded = self._printed > self._limits.output
        return verdict.Observation(
            self._record, status, self._late, flooded, self._overweight, kills
        )

    def run(self) -> None:
        """Until a record is complete, the child ends, or a limit is passed."""
        deadline = self._started + self._limits.wall
        poller = select.poll()
        poller.register(self._job, select.POLLOUT)
        for descriptor in (self._result, self._output, self._link.fileno()):
            poller.register(descriptor, select.POLLIN)
        while not self._decided():
            left = deadline - time.monotonic()
            if left <= 0:
                self._late = True
                break
            if self._guard is not None:
                left = min(left, self._guard.interval)
            for descriptor, event in poller.poll(left * 1000):
                self._handle(poller, descriptor, event)
            if self._guard is not None and self._guard.exceeded():
                self._overweight = True
                break
        self._ended = time.monotonic()

    def finish(self, cleaner: Cleaner) -> bool:
        """End the child if it has not ended; False if that cannot be done."""
        if self._complete():
            self._await_exit(EXIT_GRACE)
        patience = time.monotonic() + KILL_PATIENCE
        while self._exit is None:
            self._kill(cleaner)
            self._await_exit(0.02)
            if time.monotonic() > patience:
                return False
        self._drain()
        return True

    def close(self) -> None:
        for end in (self._job, self._result, self._output):
            if end >= 0:
                os.close(end)

    def _complete(self) -> bool:
        return Record.complete(self._record)

    def _decided(self) -> bool:
        return (
            self._exit is not None
            or self._complete()
            or len(self._record) > MAX_RECORD
            or self._printed > self._limits.output
        )

    def _handle(self, poller: select.poll, descriptor: int, event: int) -> None:
        if descriptor == self._link.fileno():
            self._notice()
        elif descriptor == self._job:
            self._feed(poller, event)
        elif not self._take_from(descriptor):
            poller.unregister(descriptor)

    def _feed(self, poller: select.poll, event: int) -> None:
        """Give the child its job; a child that does not read it only harms itself."""
        try:
            if not event & select.POLLERR and self._unsent:
                self._unsent = self._unsent[os.write(self._job, self._unsent[:READ]) :]
                if self._unsent:
                    return
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass
        poller.unregister(self._job)
        os.close(self._job)
        self._job = -1

    def _take_from(self, descriptor: int) -> bool:
        """Read what is there; False at the end of the stream."""
        try:
            data = os.read(descriptor, READ)
        except BlockingIOError:
            return True
        if descriptor == self._result:
            self._record = (self._record + data)[: MAX_RECORD + 1]
        else:
            self._printed += len(data)
            self._kept = (self._kept + data)[:MAX_STDOUT]
        return bool(data)

    def _notice(self) -> None:
        """A message of the zygote.

        Raises:
            ChildProcessError: it is gone.
        """
        message = self._link.recv(64)
        if not message:
            raise ChildProcessError("the zygote died")
        if message[:1] == zygote.STARTED_MARK:
            self._pid = zygote.STARTED.unpack(message)[1]
        else:
            self._exit = zygote.Exit(*zygote.EXITED.unpack(message)[1:])

    def _await_exit(self, seconds: float) -> None:
        poller = select.poll()
        poller.register(self._link.fileno(), select.POLLIN)
        poller.register(self._output, select.POLLIN)
        until = time.monotonic() + seconds
        while self._exit is None and (left := until - time.monotonic()) > 0:
            for descriptor, _ in poller.poll(left * 1000):
                if descriptor == self._link.fileno():
                    self._notice()
                elif not self._take_from(descriptor):
                    poller.unregister(descriptor)

    def _kill(self, cleaner: Cleaner) -> None:
        if self._uid:
            cleaner.kill_all_of(self._uid)
        elif self._pid:
            os.kill(self._pid, 9)

    def _drain(self) -> None:
        """Take what is still in the pipes; a surviving writer is not waited for."""
        for descriptor in (self._result, self._output):
            for _ in range(64):
                try:
                    data = os.read(descriptor, READ)
                except BlockingIOError:
                    break
                if not data:
                    break
                if descriptor == self._output:
                    self._printed += len(data)
                    self._kept = (self._kept + data)[:MAX_STDOUT]
                elif not self._late and not self._complete():
                    self._record = (self._record + data)[: MAX_RECORD + 1]
