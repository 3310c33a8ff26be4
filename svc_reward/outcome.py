"""What an evaluation came to, as the rest of the service sees it. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from svc_reward.lane.wire import (
    INFRASTRUCTURE,
    MAX_SCORE,
    MAX_STDOUT,
    Result,
    Status,
    WireError,
    printable,
)

FAULTS = frozenset(Status) - INFRASTRUCTURE - {Status.OK, Status.INVALID}
"""The judged code's fault: never retried; the job's policy says what it counts."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One evaluation.

    Attributes:
        status: how it ended.
        value: the score; None unless status is OK.
        message: for people, escaped.
        stdout: what was printed, capped and escaped.
        seconds: wall time.
        cpu_ms: CPU time of the judged code.
        isolation: "docker", "process" or "process-unsafe"; "" where nothing ran.
        parts: named sub-scores. A fault that has some is the completion's own, not its judge's.
        flags: named reward hacks that were found.
        image: digest of the image that it ran in; "" where there is none.
        seed: of all randomness in it.
    """

    status: Status
    value: float | None = None
    message: str = ""
    stdout: str = ""
    seconds: float = 0.0
    cpu_ms: float = 0.0
    isolation: str = ""
    parts: Mapping[str, float] = field(default_factory=dict)
    flags: Sequence[str] = ()
    image: str = ""
    seed: int = 0

    @property
    def infrastructure(self) -> bool:
        """It says nothing about the completion: worth another try, never a score."""
        return self.status in INFRASTRUCTURE

    @property
    def blames_completion(self) -> bool:
        """The judged code failed, in a process of its own; its judge did not."""
        return self.status in FAULTS and bool(self.parts)

    def with_provenance(self, *, isolation: str, image: str, seed: int) -> "Outcome":
        return replace(self, isolation=isolation, image=image, seed=seed)


def from_result(result: Result, sequence: int) -> Outcome:
    """Check a broker's answer once more: the lane is on the other side of the fence.

    Raises:
        WireError: it cannot be the answer to job `sequence`.
    """
    if result.sequence != sequence:
        raise WireError(f"answer to job {result.sequence} instead of {sequence}")
    record = result.record
    if record.status in INFRASTRUCTURE:
        raise WireError(f"a lane does not say {record.status.name}")
    times = (result.seconds, result.cpu)
    if not all(math.isfinite(number) and number >= 0 for number in times):
        raise WireError("times make no sense")
    status, message = record.status, record.message
    parts = dict(record.parts)
    # Parts may be figures, such as the bytes that a kernel moved: any finite number.
    sound = _is_score(record.value) and all(map(math.isfinite, parts.values()))
    if status is Status.OK and not sound:
        status, message = Status.INVALID_SCORE, "the score is not a finite number in range"
    return Outcome(
        status=status,
        value=record.value if status is Status.OK else None,
        message=printable(message),
        stdout=_capped(printable(result.stdout)),
        seconds=result.seconds,
        cpu_ms=result.cpu * 1000,
        parts=parts,
        flags=record.flags,
    )


def of_group(outcome: Outcome, size: int) -> list[Outcome]:
    """One outcome for each completion, from that of the function that compared them."""
    if outcome.status is not Status.OK:
        return [outcome] * size
    return [_member(outcome, index) for index in range(size)]


def _member(outcome: Outcome, index: int) -> Outcome:
    value = outcome.parts.get(str(index))
    if value is None:
        message = "the function returned None for this completion"
        return replace(outcome, status=Status.INVALID, value=None, message=message, parts={})
    if not _is_score(value):
        message = f"the function returned {value:g}, outside ±{MAX_SCORE:g}"
        return replace(outcome, status=Status.INVALID_SCORE, value=None, message=message, parts={})
    return replace(outcome, value=value, parts={})


def _capped(text: str) -> str:
    """Escapes are longer than what they stand for."""
    return text if len(text) <= 2 * MAX_STDOUT else text[: 2 * MAX_STDOUT] + "…"


def late(seconds: float) -> Outcome:
    """The lane did not keep its own deadline."""
    return Outcome(Status.TIMEOUT, message=f"took longer than {seconds:g} s", seconds=seconds)


def lane_error(reason: str) -> Outcome:
    return Outcome(Status.LANE_ERROR, message=f"the lane failed: {reason}")


def unavailable(reason: str) -> Outcome:
    return Outcome(Status.SANDBOX_UNAVAILABLE, message=reason)


def _is_score(value: float) -> bool:
    return math.isfinite(value) and abs(value) <= MAX_SCORE
