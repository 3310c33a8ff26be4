"""Decides what an evaluation's outcome means. Pure: the broker observes, this judges."""

import math
import signal
from typing import NamedTuple

from .wire import CHILD_STATUSES, GRADER_STATUSES, MAX_SCORE, Limits, Record, Status, WireError


class Observation(NamedTuple):
    """What the broker saw.

    Attributes:
        record: bytes that came through the result pipe.
        exit_status: wait status of the child; None if it had to be given up.
        late: the deadline passed before a complete record came.
        flooded: it printed more than allowed.
        overweight: the broker saw its processes take more memory than allowed.
        oom_kills: processes that the kernel killed in this lane's cgroup meanwhile.
        grader: it may report how workers ended that it judges.
    """

    record: bytes
    exit_status: int | None
    late: bool = False
    flooded: bool = False
    overweight: bool = False
    oom_kills: int = 0
    grader: bool = False


def decide(seen: Observation, limits: Limits) -> Record:
    """The verdict, whatever the child claims."""
    if seen.flooded:
        return _fault(Status.OUTPUT_LIMIT, f"printed more than {_size(limits.output)}")
    if seen.overweight:
        return _fault(Status.MEMORY_LIMIT, f"used more than {_size(limits.memory)} of memory")
    if seen.record:
        try:
            allowed = GRADER_STATUSES if seen.grader else CHILD_STATUSES
            return _checked(Record.unpack(seen.record, allowed))
        except WireError as error:
            if not seen.late:
                return _fault(Status.CRASH, f"the result pipe held something else: {error}")
    if seen.late:
        return _fault(Status.TIMEOUT, f"took longer than {limits.wall:g} s")
    return _without_record(seen, limits)


def _checked(record: Record) -> Record:
    if record.status is not Status.OK:
        return record._replace(value=0.0)
    if not all(math.isfinite(number) for _, number in record.parts):
        return _fault(Status.INVALID_SCORE, "a part of the score is not a finite number")
    if not math.isfinite(record.value) or abs(record.value) > MAX_SCORE:
        return _fault(Status.INVALID_SCORE, "the score is not a finite number in range")
    return record


def _without_record(seen: Observation, limits: Limits) -> Record:
    status = seen.exit_status
    if status is None:
        return _fault(Status.CRASH, "the process was lost")
    number = status & 0x7F
    if number == 0:
        return _fault(Status.CRASH, f"exited with code {status >> 8} before returning a score")
    # A SIGKILL alone proves nothing: anybody of that uid can send one.
    if number == signal.SIGKILL and seen.oom_kills:
        return _fault(Status.MEMORY_LIMIT, f"used more than {_size(limits.memory)} of memory")
    named = {
        signal.SIGXCPU: (Status.TIMEOUT, f"used more than {limits.wall:g} s of CPU time"),
        signal.SIGXFSZ: (Status.DISK_LIMIT, f"wrote more than {_size(limits.file)} to a file"),
        signal.SIGSYS: (Status.BLOCKED, "made a system call that the sandbox forbids"),
    }
    if number in named:
        return _fault(*named[signal.Signals(number)])
    return _fault(Status.CRASH, f"was ended by {_name(number)} before returning a score")


def _fault(status: Status, message: str) -> Record:
    return Record(status, 0.0, message)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count >> 10} KiB"
