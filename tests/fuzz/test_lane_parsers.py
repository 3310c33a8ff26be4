"""Any bytes at each parser that a hostile child or lane can reach: the documented error, or a value."""

import contextlib
import math
import socket
from collections.abc import Callable
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from svc_reward import outcome
from svc_reward.lane import verdict, workers
from svc_reward.lane.kernels import protocol, reports
from svc_reward.lane.kernels.compiler import Compiled
from svc_reward.lane.requests import read_request
from svc_reward.lane.roles import Role
from svc_reward.lane.wire import (
    CHILD_STATUSES,
    GRADER_STATUSES,
    INFRASTRUCTURE,
    MAX_FRAME,
    MAX_MESSAGE,
    RECORD_HEADER,
    Limits,
    Record,
    Result,
    Status,
    WireError,
    parse_frame_header,
)

LIMITS = Limits()
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
RECORDS = st.builds(
    Record,
    st.sampled_from(list(Status)),
    FLOATS,
    st.text(max_size=200),
    st.lists(st.tuples(NAMES, FLOATS), max_size=5).map(tuple),
    st.lists(NAMES, max_size=5).map(tuple),
)
RESULTS = st.builds(
    Result, st.integers(0, 2**64 - 1), st.booleans(), FLOATS, FLOATS,
    st.integers(0, 2**64 - 1), RECORDS, st.text(max_size=200),
)  # fmt: skip


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def mutated(packed: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Well-formed bytes, some of them overwritten, cut off or added to; or just any bytes."""

    @st.composite
    def draw(draw: st.DrawFn) -> bytes:
        data = bytearray(draw(packed))
        for _ in range(draw(st.integers(0, 4))):
            if data:
                data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
        return bytes(data[: draw(st.integers(0, len(data)))]) + draw(st.binary(max_size=8))

    return st.one_of(packed, draw(), st.binary(max_size=200))


@given(data=mutated(RECORDS.map(Record.pack)), late=st.booleans(), grader=st.booleans())
@example(data=RECORD_HEADER.pack(2, 1, math.nan, 0, 0, 0, 0), late=False, grader=False)
@example(data=RECORD_HEADER.pack(2, 1, 0.5, 65535, 65535, 0, 2**32 - 1), late=False, grader=False)
@settings(max_examples=600, deadline=None)
def test_a_record_is_a_verdict_whatever_it_holds(*, data: bytes, late: bool, grader: bool) -> None:
    Record.complete(data)
    seen = verdict.Observation(record=data, exit_status=0, late=late, grader=grader)
    found = verdict.decide(seen, LIMITS)
    assert found.status not in INFRASTRUCTURE
    assert math.isfinite(found.value)
    assert len(found.message.encode()) <= 4 * MAX_MESSAGE
    with contextlib.suppress(WireError):
        record = Record.unpack(data, GRADER_STATUSES if grader else CHILD_STATUSES)
        assert Record.unpack(record.pack(), GRADER_STATUSES) == record or math.isnan(
            record.value + sum(value for _, value in record.parts)
        )


@given(mutated(RESULTS.map(Result.pack)))
@settings(max_examples=600, deadline=None)
def test_a_result_is_an_outcome_or_a_wire_error(data: bytes) -> None:
    try:
        result = Result.unpack(data)
        found = outcome.from_result(result, result.sequence)
    except WireError:
        return
    assert found.status not in INFRASTRUCTURE
    assert (found.value is None) == (found.status is not Status.OK)
    assert found.value is None or math.isfinite(found.value)
    assert all(c in "\n\t" or c.isprintable() for c in found.message + found.stdout)


@given(st.binary(min_size=5, max_size=5))
@settings(deadline=None)
def test_a_frame_announces_no_more_than_there_may_be(header: bytes) -> None:
    with contextlib.suppress(WireError):
        length, _ = parse_frame_header(header)
        assert length <= MAX_FRAME


@given(st.binary(max_size=300), st.integers(0, 20))
@settings(max_examples=300, deadline=None)
def test_a_request_is_followed_or_refused(message: bytes, count: int) -> None:
    before = _descriptors()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        socket.send_fds(theirs, [message or b"\0"], [theirs.fileno()] * count)
        request = read_request(ours)
        assert request is not None
        assert request.refusal or request.kill is not None or len(request.ends) == 3
        request.close()
    assert _descriptors() == before, "whatever came with it is closed"


STARTS = st.builds(
    workers.START.pack,
    st.just(workers.START_MARK),
    st.integers(0, 255),
    FLOATS,
    st.integers(0, 2**64 - 1),
)
KILLS = st.builds(workers.KILL.pack, st.just(workers.KILL_MARK), st.integers(0, 2**32 - 1))


@given(mutated(st.one_of(STARTS, KILLS)), st.integers(0, 20))
@settings(max_examples=600, deadline=None)
def test_a_control_message_starts_only_what_may_be_started(message: bytes, count: int) -> None:
    before = _descriptors()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        socket.send_fds(theirs, [message or b"\0"], [theirs.fileno()] * count)
        request = read_request(ours)
        assert request is not None
        if not request.refusal and request.kill is None:
            assert request.role in {Role.RUN, Role.CANDIDATE, Role.COMPILER}
            assert 0 < request.seconds < math.inf
            assert len(request.ends) == 3
        request.close()
    assert _descriptors() == before, "whatever came with it is closed"


PARSERS: list[Callable[[bytes], object]] = [
    reports.unpack_state,
    reports.Failure.unpack,
    reports.Report.unpack,
    Compiled.unpack,
]


@given(mutated(st.builds(lambda n, t: n.to_bytes(8, "big") + len(t).to_bytes(2, "big") + t,
                         st.integers(0, 2**64 - 1), st.binary(max_size=40))))  # fmt: skip
@settings(max_examples=600, deadline=None)
def test_a_candidates_report_is_read_or_refused(body: bytes) -> None:
    for parse in PARSERS:
        with contextlib.suppress(protocol.ProtocolError):
            parse(body)


@given(st.binary(min_size=1, max_size=300), st.integers(0, 8))
@settings(max_examples=300, deadline=None)
def test_a_candidates_message_is_read_or_refused(packet: bytes, count: int) -> None:
    before = _descriptors()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        socket.send_fds(theirs, [packet], [theirs.fileno()] * count)
        with contextlib.suppress(protocol.ProtocolError):
            protocol.close(protocol.receive(ours).fds)
    assert _descriptors() == before, "no descriptor is installed"
