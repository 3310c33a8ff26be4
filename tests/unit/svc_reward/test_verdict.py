"""Which status an evaluation gets, from what the broker and the host saw."""

import math
import signal

import pytest

from svc_reward import outcome
from svc_reward.lane.verdict import Observation, decide
from svc_reward.lane.wire import Limits, Record, Result, Status, WireError

LIMITS = Limits(wall=2.0, memory=64 << 20)
OK = Record(Status.OK, 0.5, "").pack()


def killed_by(number: int) -> int:
    return number


def exited(code: int) -> int:
    return code << 8


@pytest.mark.parametrize(
    ("seen", "status"),
    [
        (Observation(OK, exited(0)), Status.OK),
        (Observation(OK, None), Status.OK),
        (Observation(OK, killed_by(signal.SIGKILL)), Status.OK),
        (Observation(OK, exited(0), flooded=True), Status.OUTPUT_LIMIT),
        (Observation(OK, exited(0), overweight=True), Status.MEMORY_LIMIT),
        (Observation(b"", killed_by(signal.SIGKILL), late=True), Status.TIMEOUT),
        (Observation(OK[:5], killed_by(signal.SIGKILL), late=True), Status.TIMEOUT),
        (Observation(OK[:5], exited(0)), Status.CRASH),
        (Observation(OK + b"x", exited(0)), Status.CRASH),
        (Observation(b"", exited(3)), Status.CRASH),
        (Observation(b"", None), Status.CRASH),
        (Observation(b"", killed_by(signal.SIGSEGV)), Status.CRASH),
        (Observation(b"", killed_by(signal.SIGKILL)), Status.CRASH),
        (Observation(b"", killed_by(signal.SIGKILL), oom_kills=1), Status.MEMORY_LIMIT),
        (Observation(b"", killed_by(signal.SIGXCPU)), Status.TIMEOUT),
        (Observation(b"", killed_by(signal.SIGXFSZ)), Status.DISK_LIMIT),
        (Observation(b"", killed_by(signal.SIGSYS)), Status.BLOCKED),
        (Observation(b"", killed_by(signal.SIGRTMIN + 3)), Status.CRASH),
    ],
)
def test_status(seen: Observation, status: Status) -> None:
    record = decide(seen, LIMITS)
    assert record.status is status
    assert record.value == (0.5 if status is Status.OK else 0.0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e7])
def test_forged_values_are_no_scores(value: float) -> None:
    seen = Observation(Record(Status.OK, value, "").pack(), 0)
    assert decide(seen, LIMITS).status is Status.INVALID_SCORE


def result(**changes: object) -> Result:
    base = Result(1, True, 0.1, 0.01, 0, Record(Status.OK, 0.5, ""), "")  # noqa: FBT003
    said = {name: changes.pop(name) for name in ("status", "value", "message") if name in changes}
    record = base.record._replace(**said)  # type: ignore[arg-type]
    return base._replace(record=record, **changes)  # type: ignore[arg-type]


def test_the_host_checks_again() -> None:
    assert outcome.from_result(result(), 1).value == 0.5
    for value in (math.nan, math.inf, -1e9):
        assert outcome.from_result(result(value=value), 1).status is Status.INVALID_SCORE
    assert outcome.from_result(result(status=Status.ERROR), 1).value is None


def test_parts_are_figures_unless_they_are_a_groups_scores() -> None:
    parts = (("0", 0.5), ("1", 2e6))
    record = Record(Status.OK, 0.5, "", parts)
    found = outcome.from_result(result()._replace(record=record), 1)
    assert found.status is Status.OK
    assert found.parts == dict(parts)
    members = outcome.of_group(found, 2)
    assert [each.status for each in members] == [Status.OK, Status.INVALID_SCORE]
    infinite = record._replace(parts=(("0", math.inf),))
    again = outcome.from_result(result()._replace(record=infinite), 1)
    assert again.status is Status.INVALID_SCORE


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 2},
        {"status": Status.LANE_ERROR},
        {"status": Status.SANDBOX_UNAVAILABLE},
        {"seconds": math.nan},
        {"cpu": -1.0},
    ],
)
def test_answers_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(WireError):
        outcome.from_result(result(**changes), 1)


def test_text_from_a_lane_is_escaped() -> None:
    seen = outcome.from_result(result(message="\x1b[31m", stdout="\x07"), 1)
    assert (seen.message, seen.stdout) == ("\\x1b[31m", "\\x07")


def test_each_status_is_infrastructure_a_fault_or_a_verdict() -> None:
    verdicts = {Status.OK, Status.INVALID}
    infrastructure = {status for status in Status if outcome.Outcome(status).infrastructure}
    assert infrastructure == {Status.SANDBOX_UNAVAILABLE, Status.LANE_ERROR}
    assert outcome.FAULTS | verdicts | infrastructure == set(Status)
