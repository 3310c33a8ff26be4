"""`burnish.sandbox` inside a lane: runs model-written code where it cannot touch its judge.

A reward that calls `exec` on a completion lets that completion choose its own score. `run` has it
executed in another process with another uid; only an exit code and capped text come back.
"""

import json
import os
import select
import time
from collections.abc import Callable
from typing import NamedTuple

from .roles import Role
from .workers import BrokerWorkers, Ended, WorkersError

MAX_OUTPUT = 64 << 10
MAX_CODE = 1 << 20
READ = 1 << 16


class Completed(NamedTuple):
    """How a program ended.

    Attributes:
        exit_code: as `subprocess.Popen.returncode` has it: negative is a signal's number.
        stdout: what it printed, at most MAX_OUTPUT bytes.
        stderr: the same of its standard error.
        timed_out: it was ended because its time was over.
        out_of_memory: it was ended for its memory.
        truncated: it printed more than was kept.
        seconds: wall time.
    """

    exit_code: int
    stdout: str
    stderr: str
    timed_out: bool = False
    out_of_memory: bool = False
    truncated: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """It ended by itself, with exit code 0."""
        return self.exit_code == 0 and not self.timed_out


class Runner:
    """Runs programs through `workers`."""

    def __init__(self, workers: BrokerWorkers) -> None:
        self._workers = workers

    def run(self, code: str, stdin: str = "", timeout: float = 5.0) -> Completed:
        """Run Python source as a program.

        Args:
            code: its source, at most 1 MiB.
            stdin: its standard input.
            timeout: seconds of wall time; the evaluation's own limit holds as well.

        Raises:
            ValueError: an argument that cannot be used.
            WorkersError: this evaluation has started as many as it may.
        """
        if not isinstance(code, str) or not isinstance(stdin, str):
            raise TypeError("code and stdin are text")
        if len(code) > MAX_CODE:
            raise ValueError(f"code has at most {MAX_CODE} characters")
        if not timeout > 0:
            raise ValueError("timeout is a number of seconds above 0")
        payload = json.dumps({"code": code, "stdin": stdin}).encode()
        started = time.monotonic()
        output, their_output = os.pipe()
        errors, their_errors = os.pipe()
        streams = {output: _Capped(), errors: _Capped()}
        try:
            try:
                worker = self._workers.start(
                    Role.RUN, payload, seconds=timeout, output=their_output, errors=their_errors
                )
            finally:
                os.close(their_output)
                os.close(their_errors)
            ended = self._follow(worker.ended, streams)
        finally:
            os.close(output)
            os.close(errors)
        return Completed(
            exit_code=_exit_code(ended),
            stdout=streams[output].text,
            stderr=streams[errors].text,
            timed_out=ended.late,
            out_of_memory=ended.oom,
            truncated=any(stream.truncated for stream in streams.values()),
            seconds=time.monotonic() - started,
        )

    def _follow(
        self, ended_within: Callable[[float], Ended | None], streams: "dict[int, _Capped]"
    ) -> Ended:
        """Read what it prints until it has ended; whoever keeps its pipes open is not waited for."""
        poller = select.poll()
        control = self._workers.fileno()
        for descriptor in (*streams, control):
            poller.register(descriptor, select.POLLIN)
        ended = ended_within(0)
        while ended is None:
            for descriptor, _ in poller.poll():
                if descriptor == control:
                    ended = ended_within(0.001)
                elif not streams[descriptor].take(descriptor):
                    poller.unregister(descriptor)
        for descriptor, stream in streams.items():
            os.set_blocking(descriptor, False)
            while stream.take(descriptor):
                pass
        return ended


class _Capped:
    def __init__(self) -> None:
        self._kept = b""
        self.truncated = False

    def take(self, descriptor: int) -> bool:
        """Read once; False at the end, or where nothing is there."""
        try:
            data = os.read(descriptor, READ)
        except BlockingIOError:
            return False
        self.truncated |= len(self._kept) + len(data) > MAX_OUTPUT
        self._kept = (self._kept + data)[:MAX_OUTPUT]
        return bool(data)

    @property
    def text(self) -> str:
        return self._kept.decode(errors="backslashreplace")


def _exit_code(ended: Ended) -> int:
    if ended.status is None:
        raise WorkersError("the process could not be ended")
    return os.waitstatus_to_exitcode(ended.status)
