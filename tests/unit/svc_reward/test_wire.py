"""Parsers of what crosses a lane's boundaries: a hostile child can send anything."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.v1 import events_pb2
from svc_reward.lane.wire import (
    CHILD_STATUSES,
    FRAME,
    MAX_MESSAGE,
    Job,
    Kind,
    Limits,
    Record,
    Result,
    Status,
    WireError,
    clip,
    frame,
    parse_frame_header,
    printable,
)


def test_statuses_are_the_protos() -> None:
    names = {f"SCORE_STATUS_{status.name}": int(status) for status in Status}
    proto = dict(events_pb2.ScoreStatus.items())
    assert proto.pop("SCORE_STATUS_UNSPECIFIED") == 0
    assert names == proto


@given(st.binary(max_size=200))
def test_any_bytes_are_a_record_or_refused(data: bytes) -> None:
    try:
        record = Record.unpack(data)
    except WireError:
        return
    assert record.status in CHILD_STATUSES
    assert len(record.message.encode()) <= 4 * MAX_MESSAGE


@given(st.binary(max_size=200))
def test_any_bytes_are_a_result_or_refused(data: bytes) -> None:
    try:
        Result.unpack(data)
    except WireError:
        return


@given(
    st.sampled_from(sorted(CHILD_STATUSES)),
    st.floats(allow_nan=False),
    st.text(max_size=300),
)
def test_records_survive_the_trip(status: Status, value: float, message: str) -> None:
    data = Record(status, value, message).pack()
    assert Record.complete(data)
    assert not Record.complete(data[:-1])
    back = Record.unpack(data)
    assert (back.status, back.value) == (status, value)
    assert back.message.startswith(message.encode(errors="backslashreplace").decode()[:100])


def test_a_record_with_a_tail_is_refused() -> None:
    with pytest.raises(WireError):
        Record.unpack(Record(Status.OK, 1.0, "").pack() + b"x")


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.LANE_ERROR, Status.OUTPUT_LIMIT])
def test_a_child_cannot_claim_what_only_the_broker_knows(status: Status) -> None:
    with pytest.raises(WireError):
        Record.unpack(Record(status, 0.0, "").pack())


def test_jobs_and_results_survive_the_trip() -> None:
    job = Job(7, Limits(wall=1.5), b"payload")
    assert Job.unpack(job.pack()) == job
    record = Record(Status.OK, 0.5, "m", (("correct", 1.0),), ("decoy_kernel",))
    result = Result(7, True, 0.1, 0.05, 1 << 30, record, "out\n")  # noqa: FBT003
    assert Result.unpack(result.pack()) == result
    with pytest.raises(WireError):
        Job.unpack(b"short")


def test_frames() -> None:
    data = frame(Kind.READY, b"abc")
    assert parse_frame_header(data[: FRAME.size]) == (3, Kind.READY)
    for header in (b"\xff\xff\xff\xff\x01", b"\x00\x00\x00\x01\x63"):
        with pytest.raises(WireError):
            parse_frame_header(header)


@given(st.text(max_size=50), st.integers(min_value=3, max_value=60))
def test_clipping_keeps_utf8_whole(text: str, limit: int) -> None:
    data = clip(text, limit)
    assert len(data) <= limit
    data.decode()


def test_control_characters_do_nothing() -> None:
    assert printable("a\x1b[2J\r\x00b\n\tü") == "a\\x1b[2J\\x0d\\x00b\n\tü"
    assert printable("\u202edlrow") == "\\u202edlrow"


def test_nan_survives_so_that_it_can_be_refused() -> None:
    assert math.isnan(Record.unpack(Record(Status.OK, math.nan, "").pack()).value)
