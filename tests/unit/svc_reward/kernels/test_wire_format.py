"""What hostile bytes may do to the grader: raise ProtocolError, and nothing else."""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svc_reward.lane.kernels import packing, protocol, reports
from svc_reward.lane.kernels.compiler import Compiled
from svc_reward.lane.kernels.protocol import HEADER, MAX_BODY, VERSION, Kind, ProtocolError
from svc_reward.lane.kernels.reports import (
    Behaviour,
    Cost,
    Failure,
    Launch,
    Layout,
    Op,
    Reason,
    Report,
)

REPORT = Report(
    (Layout("output", "torch.float32", (4, 100)),),
    Behaviour(aliased=True),
    Cost(1, 1600, 1600, 0, 2),
    (Op("relu", 3, 5),),
    (Launch("k", (("x", "*fp32"), ("B", "constexpr")), ("", "=256"), "{}"),),
)
PARSERS: list[Callable[[bytes], object]] = [
    Report.unpack,
    Failure.unpack,
    Compiled.unpack,
    reports.unpack_state,
]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        yield ours, theirs


@pytest.mark.parametrize("parse", PARSERS)
@given(body=st.binary(max_size=400))
def test_any_bytes(parse: Callable[[bytes], object], body: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        parse(body)


@given(st.data())
def test_a_damaged_report(data: st.DataObject) -> None:
    body = bytearray(REPORT.pack())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(body)))
    for damaged in (bytes(body), bytes(body[:end])):
        with contextlib.suppress(ProtocolError):
            Report.unpack(damaged)


def test_reports_come_back() -> None:
    assert Report.unpack(REPORT.pack()) == REPORT
    failure = Failure(Reason.MEMORY, "ünïcode\udcff")
    assert Failure.unpack(failure.pack()).reason is Reason.MEMORY
    compiled = Compiled("k", ok=True, registers=12, shared=1024)
    assert Compiled.unpack(compiled.pack()) == compiled
    layouts = (Layout("w", "torch.float32", (3, 3)),)
    assert reports.unpack_state(reports.pack_state(list(layouts))) == layouts


def test_counts_are_bounded_before_anything_is_read() -> None:
    huge = reports.Writer()
    huge.number(1 << 52)
    with pytest.raises(ProtocolError, match="beyond its bound"):
        reports.unpack_state(huge.done())


def test_more_than_announced_is_refused() -> None:
    with pytest.raises(ProtocolError, match="more data"):
        Report.unpack(REPORT.pack() + b"x")


@given(packet=st.binary(min_size=1, max_size=200))
def test_any_packet(packet: bytes) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        theirs.send(packet)
        with contextlib.suppress(ProtocolError):
            message = protocol.receive(ours, deadline=time.monotonic() + 5)
            assert packet == HEADER.pack(VERSION, message.kind, len(message.body)) + message.body


def test_a_message_arrives(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    protocol.send(theirs, Kind.DONE, b"body")
    assert protocol.receive(ours) == (Kind.DONE, b"body", ())


def test_an_oversized_packet_is_refused(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    theirs.send(HEADER.pack(VERSION, Kind.DONE, MAX_BODY + 9) + bytes(MAX_BODY + 9))
    with pytest.raises(ProtocolError, match="oversized"):
        protocol.receive(ours)
    with pytest.raises(ProtocolError):
        protocol.send(ours, Kind.DONE, bytes(MAX_BODY + 1))


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def test_descriptors_that_were_not_asked_for(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    before = descriptors()
    packet = HEADER.pack(VERSION, Kind.DONE, 0)
    socket.send_fds(theirs, [packet], [0, 1, 2])
    with pytest.raises(ProtocolError):
        protocol.receive(ours)
    assert descriptors() == before


def test_silence_and_hanging_up_are_told_apart(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    with pytest.raises(protocol.Late):
        protocol.receive(ours, deadline=time.monotonic() + 0.01)
    theirs.close()
    with pytest.raises(protocol.Closed):
        protocol.receive(ours)
    with pytest.raises(protocol.Closed):
        protocol.send(ours, Kind.CALL)


def test_nobody_reads(pair: tuple[socket.socket, socket.socket]) -> None:
    def flood() -> None:
        while True:
            protocol.send(pair[0], Kind.CALL, bytes(MAX_BODY), deadline=time.monotonic() + 0.05)

    with pytest.raises(protocol.Late):
        flood()


def test_inputs_cannot_be_changed_and_outputs_not_resized() -> None:
    source = protocol.memory(memoryview(b"secret"))
    target = protocol.memory(memoryview(b"blank"), seals=protocol.SIZED)
    try:
        for attack in (
            lambda: os.pwrite(source, b"x", 0),
            lambda: os.ftruncate(source, 0),
            lambda: os.ftruncate(target, 0),
            lambda: os.ftruncate(target, 1 << 20),
            lambda: fcntl.fcntl(target, protocol.F_ADD_SEALS, protocol.SEAL_WRITE),
        ):
            with pytest.raises(PermissionError):
                attack()
        os.pwrite(target, b"BLANK", 0)
        found = bytearray(5)
        protocol.read_into(target, memoryview(found))
        assert found == b"BLANK"
        with pytest.raises(ProtocolError, match="shorter"):
            protocol.read_into(target, memoryview(bytearray(6)))
    finally:
        protocol.close((source, target))


TENSORS = [
    torch.randn(3, 5),
    torch.arange(7),
    torch.ones((), dtype=torch.bool),
    torch.randn(0, 4),
    torch.randn(4, 6).t(),
    torch.randn(5).bfloat16(),
    torch.randn(2, 2, dtype=torch.complex64),
]


def test_tensors_come_back_from_bytes() -> None:
    layouts = [packing.layout_of("", tensor) for tensor in TENSORS]
    data = packing.pack(TENSORS)
    assert len(data) == packing.size_of(layouts)
    for sent, found in zip(TENSORS, packing.unpack(data, layouts), strict=True):
        assert found.dtype is sent.dtype
        assert torch.equal(found, sent)


@pytest.mark.parametrize(
    "value",
    [1, 1.5, float("inf"), "x", None, True, b"x", 1j, torch.float16, [1, (2, {"a": 3.0})], {}],
)
def test_values_come_back(value: object) -> None:
    tensors: list[torch.Tensor] = []
    assert packing.decode(packing.encode(value, tensors), tensors) == value


@pytest.mark.parametrize("value", [object(), [[[[[1]]]]], {1, 2}, lambda: 1])
def test_values_that_do_not_travel(value: object) -> None:
    with pytest.raises(TypeError):
        packing.encode(value, [])


@pytest.mark.parametrize("name", ["torch.nn", "os", "torch.__class__", "", "torch.load"])
def test_a_dtype_is_nothing_else(name: str) -> None:
    with pytest.raises(TypeError):
        packing.dtype_of(name)


def test_outputs_are_named_by_their_place() -> None:
    x = torch.zeros(2)
    assert [name for name, _ in packing.leaves(x)] == ["output"]
    assert [name for name, _ in packing.leaves((x, {"a": x}, None))] == ["[0]", "[1]['a']"]
    assert packing.leaves(3.0)[0][1].dtype is torch.float64
    with pytest.raises(TypeError, match="returned a str"):
        packing.leaves("x")
    with pytest.raises(TypeError, match="more than"):
        packing.leaves([x] * (reports.MAX_OUTPUTS + 1))
