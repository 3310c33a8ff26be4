"""What the end of a worker means for the kernel that it ran. Pure."""

import os
import signal
from typing import NamedTuple

from ..wire import Status
from ..workers import Ended
from .reports import Failure, Reason


class Ending(NamedTuple):
    """The kernel ended the conversation, and how."""

    status: Status
    text: str


_SIGNALS = {
    signal.SIGXCPU: Ending(Status.TIMEOUT, "used up its CPU time"),
    signal.SIGXFSZ: Ending(Status.DISK_LIMIT, "wrote too large a file"),
    signal.SIGSYS: Ending(Status.BLOCKED, "made a system call that the sandbox forbids"),
}
_REASONS = {
    Reason.MEMORY: Status.MEMORY_LIMIT,
    Reason.DISK: Status.DISK_LIMIT,
    Reason.FORBIDDEN: Status.BLOCKED,
}


def of_process(ended: Ended, fault: str) -> Ending:
    """How a worker's process ended.

    Args:
        ended: what the lane saw.
        fault: what the grader saw on the link.
    """
    if ended.late:
        return Ending(Status.TIMEOUT, "took too long")
    if ended.oom:
        return Ending(Status.MEMORY_LIMIT, "used too much memory")
    if ended.status is None:
        return Ending(Status.CRASH, "was lost")
    number = os.waitstatus_to_exitcode(ended.status)
    if number >= 0:
        return Ending(Status.CRASH, f"exited with code {number}: {fault}")
    try:
        name = signal.Signals(-number)
    except ValueError:
        return Ending(Status.CRASH, f"was ended by signal {-number}")
    return _SIGNALS.get(name, Ending(Status.CRASH, f"was ended by {name.name}"))


def of_failure(failure: Failure) -> Status:
    """An exception is a verdict on the kernel, unless it says that a limit was met."""
    return _REASONS.get(failure.reason, Status.OK)
