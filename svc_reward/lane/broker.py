"""The lane's init: takes jobs from the host, has children run them, reports what it saw."""

import os
from typing import NoReturn

from . import verdict, zygote
from .cleanup import Cleaner
from .evaluation import Evaluation
from .processes import Processes
from .settings import LaneSettings
from .standby import STANDBY_SECONDS, Standby
from .wire import FRAME, Job, Kind, Result, WireError, frame, parse_frame_header

STANDBY_ATTEMPTS = 3


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
        self._zygotes: tuple[zygote.Zygote, ...] = ()
        self._standby = Standby(wanted=settings.standby)

    def run(self) -> NoReturn:
        """Serve jobs; exits when there is nobody to serve."""
        try:
            self._zygotes = zygote.start(self._settings, (self._source, self._sink))
            # Only now is everything there that a clean lane has.
            cleaner = Cleaner(self._settings, {each.pid for each in self._zygotes})
            self._await_standby(cleaner)
        except ChildProcessError as error:
            self._send(Kind.FATAL, str(error).encode())
            os._exit(1)
        self._send(Kind.READY, b"")
        while (job := self._next_job()) is not None:
            # Before the job's time begins: a device that does not answer is not its fault.
            self._await_standby(cleaner)
            self._send(Kind.RESULT, self._evaluate(job, cleaner).pack())
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

    def _evaluate(self, job: Job, cleaner: Cleaner) -> Result:
        processes = self._processes(cleaner)
        guard = self._settings.guard_memory and bool(self._settings.first_uid)
        evaluation = Evaluation(processes, job, guard_memory=guard)
        try:
            evaluation.run()
            ended = evaluation.finish()
        finally:
            evaluation.close()
        clean = ended and self._clean(processes, cleaner)
        record = verdict.decide(evaluation.observation(), job.limits)
        return Result(
            sequence=job.sequence,
            clean=clean,
            seconds=evaluation.seconds,
            cpu=evaluation.cpu,
            memory=evaluation.memory,
            record=record,
            stdout=evaluation.stdout,
        )

    def _processes(self, cleaner: Cleaner) -> Processes:
        return Processes(self._zygotes, cleaner, self._next_uid, self._standby)

    def _clean(self, processes: Processes, cleaner: Cleaner) -> bool:
        # Not sooner: while the kernel or its baseline is timed, nothing else is to use the device.
        processes.stand_by()
        processes.settle()
        return cleaner.clean(processes.uids, self._standby.pids)

    def _await_standby(self, cleaner: Cleaner) -> None:
        if not self._processes(cleaner).await_standby(STANDBY_SECONDS, STANDBY_ATTEMPTS):
            raise ChildProcessError("no process for a kernel gets ready on the device")

    def _next_uid(self) -> int:
        """One that nobody has: a standby keeps its own over many evaluations."""
        if not self._settings.first_uid:
            return 0
        while True:
            uid = self._settings.first_uid + self._count % self._settings.uids
            self._count += 1
            if uid != self._standby.uid:
                return uid
