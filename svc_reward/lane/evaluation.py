"""One evaluation as the broker sees it: its main process, its workers, and what came through."""

import os
import select
import socket
import time

from . import verdict, workers
from .child import Ends
from .oom import MemoryGuard, oom_kills
from .processes import Process, Processes
from .requests import Request, read_request
from .roles import Role
from .wire import MAX_RECORD, MAX_STDOUT, Job, Record
from .workers import sealed

EXIT_GRACE = 0.2
"""Seconds that a process has to end by itself once its record is complete."""
READ = 1 << 16


class Evaluation:
    """Runs one job.

    Args:
        processes: starts and ends them.
        job: what the host sent.
        guard_memory: whether the broker itself has to watch the memory.
    """

    def __init__(self, processes: Processes, job: Job, *, guard_memory: bool) -> None:
        self._processes = processes
        self._limits = job.limits
        self._record = b""
        self._kept = b""
        self._printed = 0
        self._overweight = False
        self._numbered: list[Process] = []
        self._oom_before = oom_kills()
        self._started = time.monotonic()
        self._ended = 0.0
        self._result, their_result = os.pipe()
        self._output, self._their_output = os.pipe()
        for end in (self._result, self._output):
            os.set_blocking(end, False)
        self._control, their_control = self._control_pair()
        extra = (their_result,) if their_control is None else (their_result, their_control.fileno())
        payload = sealed(job.payload)
        try:
            ends = Ends(payload, self._their_output, self._their_output, extra)
            self._main = processes.start(Role.REWARD, job.limits, ends)
        finally:
            os.close(payload)
            os.close(their_result)
            if their_control is not None:
                their_control.close()
        os.close(self._their_output)
        self._guard = MemoryGuard(processes, job.limits.memory) if guard_memory else None

    def _control_pair(self) -> tuple[socket.socket | None, socket.socket | None]:
        if not self._limits.workers:
            return None, None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        os.set_blocking(ours.fileno(), False)
        return ours, theirs

    @property
    def seconds(self) -> float:
        return self._ended - self._started

    @property
    def cpu(self) -> float:
        return sum(each.exit.cpu - each.cpu_before for each in self._processes.all if each.exit)

    @property
    def memory(self) -> int:
        return max((each.exit.memory for each in self._processes.all if each.exit), default=0)

    @property
    def stdout(self) -> str:
        text = self._kept.decode(errors="backslashreplace")
        return f"{text}\n… truncated" if self._printed > len(self._kept) else text

    def observation(self) -> verdict.Observation:
        ended = self._main.exit
        return verdict.Observation(
            record=self._record,
            exit_status=ended.status if ended else None,
            late=self._main.late,
            flooded=self._printed > self._limits.output,
            overweight=self._overweight,
            oom_kills=oom_kills() - self._oom_before,
            grader=bool(self._limits.workers),
        )

    def run(self) -> None:
        """Until a record is complete, the main process ends, or a limit is passed."""
        poller = select.poll()
        streams = [self._result, self._output, *self._processes.links]
        if self._control is not None:
            streams.append(self._control.fileno())
        for descriptor in streams:
            poller.register(descriptor, select.POLLIN)
        while not self._decided():
            for descriptor, _ in poller.poll(self._patience() * 1000):
                self._handle(poller, descriptor)
            self._processes.expire()
            self._weigh()
        self._ended = time.monotonic()

    def finish(self) -> bool:
        """End what has not ended; False if that cannot be done."""
        if self._complete():
            self._await_exit(EXIT_GRACE)
        ended = self._processes.end_all(self._poll_links)
        self._drain()
        return ended

    def close(self) -> None:
        for end in (self._result, self._output):
            os.close(end)
        if self._control is not None:
            self._control.close()

    def _weigh(self) -> None:
        """End the heaviest when all take too much: a worker's memory is not its judge's fault."""
        uid = self._guard.heaviest() if self._guard is not None else None
        for process in self._processes.alive:
            if uid is not None and process.uid == uid:
                process.oom = True
                self._overweight |= process is self._main
                self._processes.kill(process)

    def _patience(self) -> float:
        nearest = min(process.deadline for process in self._processes.alive)
        left = max(0.0, nearest - time.monotonic())
        return left if self._guard is None else min(left, self._guard.interval)

    def _complete(self) -> bool:
        return Record.complete(self._record)

    def _decided(self) -> bool:
        return (
            self._main.exit is not None
            or self._main.late
            or self._overweight
            or self._complete()
            or len(self._record) > MAX_RECORD
            or self._printed > self._limits.output
        )

    def _handle(self, poller: select.poll, descriptor: int) -> None:
        if descriptor in self._processes.links:
            self._notice(descriptor)
        elif self._control is not None and descriptor == self._control.fileno():
            if not self._serve(self._control):
                poller.unregister(descriptor)
        elif not self._take_from(descriptor):
            poller.unregister(descriptor)

    def _notice(self, link: int) -> None:
        ended = self._processes.notice(link)
        if ended is not None and ended in self._numbered:
            # Whatever it started ends with it: its pipes have to close.
            if ended.uid and self._processes.lingers(ended):
                self._processes.kill(ended)
            self._tell(_report(self._numbered.index(ended), ended))

    def _serve(self, control: socket.socket) -> bool:
        """Answer one request of the main process; False when it has hung up."""
        request = read_request(control)
        if request is None:
            return False
        try:
            match request:
                case Request(kill=number) if number is not None:
                    if number < len(self._numbered) and self._numbered[number].exit is None:
                        self._processes.kill(self._numbered[number])
                case Request(refusal=reason) if reason:
                    self._tell(workers.REFUSED_MARK + reason.encode())
                case _:
                    self._start(request)
        finally:
            request.close()
        return True

    def _start(self, request: Request) -> None:
        role = request.role
        if len(self._numbered) >= self._limits.workers or not self._processes.can(role):
            reason = f"at most {self._limits.workers} processes can be started for an evaluation"
            self._refuse(role, reason)
            return
        link, theirs = self._link_pair() if role in workers.LINKED else (None, None)
        extra = () if theirs is None else (theirs.fileno(),)
        left = max(0.0, self._main.deadline - time.monotonic())
        limits = self._limits._replace(
            wall=min(request.seconds, left),
            memory=min(request.memory, self._limits.memory),
            workers=0,
        )
        try:
            process = self._processes.start(role, limits, _ends(request, extra))
            self._numbered.append(process)
            started = workers.STARTED.pack(workers.STARTED_MARK, len(self._numbered) - 1)
            self._tell(started, () if link is None else (link.fileno(),))
        finally:
            for end in (link, theirs):
                if end is not None:
                    end.close()

    def _refuse(self, role: Role, reason: str) -> None:
        """Refuse a worker. Where kernels are judged, only the judge asks: its lack is the lane's."""
        if role in workers.LINKED and self._processes.can(Role.COMPILER):
            raise ChildProcessError(f"the judge of a kernel got no worker: {reason}")
        self._tell(workers.REFUSED_MARK + reason.encode())

    def _link_pair(self) -> tuple[socket.socket, socket.socket]:
        return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def _tell(self, message: bytes, descriptors: tuple[int, ...] = ()) -> None:
        """Whoever does not read its answers, or has gone, only harms itself."""
        if self._control is not None:
            try:
                socket.send_fds(self._control, [message], list(descriptors))
            except OSError:
                return

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

    def _await_exit(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._main.exit is None and (left := until - time.monotonic()) > 0:
            self._poll_links(left)

    def _poll_links(self, seconds: float) -> None:
        poller = select.poll()
        for descriptor in (self._output, *self._processes.links):
            poller.register(descriptor, select.POLLIN)
        for descriptor, _ in poller.poll(seconds * 1000):
            if descriptor == self._output:
                if not self._take_from(descriptor):
                    poller.unregister(descriptor)
            else:
                self._processes.notice(descriptor)

    def _drain(self) -> None:
        """Take what is still in the pipes; a surviving writer is not waited for."""
        for descriptor in (self._result, self._output):
            if descriptor == self._result and (self._main.late or self._complete()):
                continue
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
                else:
                    self._record = (self._record + data)[: MAX_RECORD + 1]


def _ends(request: Request, extra: tuple[int, ...]) -> Ends:
    job, output, errors = request.ends
    return Ends(job, output, errors, extra)


def _report(number: int, process: Process) -> bytes:
    ended = process.exit
    status, cpu, memory = (ended.status, ended.cpu, ended.memory) if ended else (0, 0.0, 0)
    return workers.ENDED.pack(
        workers.ENDED_MARK,
        number,
        ended is not None,
        status,
        process.late,
        process.oom,
        cpu,
        memory,
    )
