"""How the end of a worker is read."""

import signal

import pytest

from svc_reward.lane.kernels.endings import of_failure, of_process
from svc_reward.lane.kernels.faults import describe, failure
from svc_reward.lane.kernels.reports import MAX_TEXT, Failure, Reason
from svc_reward.lane.wire import Status
from svc_reward.lane.workers import Ended


def ended(status: int | None, *, late: bool = False, oom: bool = False) -> Ended:
    return Ended(status, late, oom, 0.0, 0)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (ended(0), Status.CRASH),
        (ended(3 << 8), Status.CRASH),
        (ended(None), Status.CRASH),
        (ended(signal.SIGSEGV), Status.CRASH),
        (ended(signal.SIGKILL), Status.CRASH),
        (ended(signal.SIGKILL, late=True), Status.TIMEOUT),
        (ended(signal.SIGKILL, oom=True), Status.MEMORY_LIMIT),
        (ended(signal.SIGXCPU), Status.TIMEOUT),
        (ended(signal.SIGXFSZ), Status.DISK_LIMIT),
        (ended(signal.SIGSYS), Status.BLOCKED),
        (ended(63), Status.CRASH),
    ],
)
def test_of_process(end: Ended, status: Status) -> None:
    found = of_process(end, "it hung up")
    assert found.status is status
    assert found.text


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (Reason.RAISED, Status.OK),
        (Reason.MEMORY, Status.MEMORY_LIMIT),
        (Reason.DISK, Status.DISK_LIMIT),
        (Reason.FORBIDDEN, Status.BLOCKED),
    ],
)
def test_of_failure(reason: Reason, status: Status) -> None:
    assert of_failure(Failure(reason, "x")) is status


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("x"), Reason.RAISED),
        (SystemExit(0), Reason.RAISED),
        (MemoryError(), Reason.MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), Reason.MEMORY),
        (PermissionError(1, "no"), Reason.FORBIDDEN),
        (OSError(28, "full"), Reason.DISK),
    ],
)
def test_failure(error: BaseException, reason: Reason) -> None:
    assert failure(error, "candidate.py").reason is reason


def test_an_exception_that_raises_while_it_is_printed() -> None:
    class Rude(Exception):  # noqa: N818
        def __str__(self) -> str:
            raise SystemExit

    assert describe(Rude(), "candidate.py")


def test_a_long_message_is_shortened() -> None:
    assert len(describe(ValueError("x" * 100_000), "candidate.py")) <= MAX_TEXT
