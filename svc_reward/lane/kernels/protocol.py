"""What grader and workers say to each other: one message per packet of a SOCK_SEQPACKET link.

grader → candidate   BUILD | CALL              JSON, and sealed memory by descriptor
candidate → grader   LOADED | BUILT | DONE | FAILED
grader → candidate   TIME, after READY GO      a call against the clock; after TIMED perhaps SHOW
candidate → grader   READY | TIMED | DONE | FAILED
grader → compiler    COMPILE                   JSON
compiler → grader    COMPILED

The grader is trusted, so what it sends is JSON. What a candidate sends is a fixed binary format that
`reports` reads with a bound on every count; bulk data only ever travels in memory files that the
grader made.
"""

import contextlib
import fcntl
import os
import socket
import struct
import time
from enum import IntEnum
from typing import NamedTuple

VERSION = 1
HEADER = struct.Struct(">BBI")
MAX_BODY = 96 << 10
MAX_FDS = 4

F_ADD_SEALS = 1033
SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE = 1, 2, 4, 8
"""linux/fcntl.h; Python 3.11 has no names for them."""
READ_ONLY = SEAL_SEAL | SEAL_SHRINK | SEAL_GROW | SEAL_WRITE
SIZED = SEAL_SEAL | SEAL_SHRINK | SEAL_GROW


class ProtocolError(ValueError):
    """The other side sent something that it must not."""


class Closed(ProtocolError):  # noqa: N818 - an outcome
    """The other side hung up."""


class Late(ProtocolError):  # noqa: N818 - an outcome
    """No message, or no room for one, before the deadline."""


class Kind(IntEnum):
    """What a message is."""

    BUILD = 1
    CALL = 2
    COMPILE = 3
    TIME = 4
    GO = 5
    SHOW = 6
    LOADED = 16
    BUILT = 17
    DONE = 18
    FAILED = 19
    COMPILED = 20
    READY = 21
    TIMED = 22


class Message(NamedTuple):
    kind: Kind
    body: bytes
    fds: tuple[int, ...] = ()


def send(
    link: socket.socket,
    kind: Kind,
    body: bytes = b"",
    fds: tuple[int, ...] = (),
    *,
    deadline: float | None = None,
) -> None:
    """Send one message.

    Args:
        link: where to.
        kind: what it is.
        body: at most MAX_BODY bytes.
        fds: descriptors that go with it.
        deadline: of `time.monotonic`; without one it may block.

    Raises:
        ProtocolError: the body is too long.
        Closed: nobody is there.
        Late: the other side does not read.
    """
    if len(body) > MAX_BODY:
        raise ProtocolError(f"a message of {len(body)} bytes")
    _set_timeout(link, deadline)
    try:
        packet = HEADER.pack(VERSION, kind, len(body)) + body
        if fds:
            socket.send_fds(link, [packet], list(fds))
        else:
            link.send(packet)
    except TimeoutError:
        raise Late("it does not read its messages") from None
    except OSError as error:
        raise Closed(f"its link is closed: {error.strerror}") from None


def receive(link: socket.socket, *, fds: int = 0, deadline: float | None = None) -> Message:
    """Receive one message.

    Args:
        link: where from.
        fds: how many descriptors may come with it. With 0 the kernel installs none at all,
            whatever is sent.
        deadline: of `time.monotonic`.

    Raises:
        ProtocolError: it is malformed, or more descriptors came than allowed.
        Closed: nobody is there.
        Late: nothing came in time.
    """
    _set_timeout(link, deadline)
    space = socket.CMSG_SPACE(4 * fds) if fds else 0
    try:
        packet, ancillary, flags, _ = link.recvmsg(HEADER.size + MAX_BODY + 1, space)
    except TimeoutError:
        raise Late("it does not answer") from None
    except OSError as error:
        raise Closed(f"its link is closed: {error.strerror}") from None
    received = _descriptors(ancillary)
    try:
        return Message(*_parse(packet, flags), received)
    except ProtocolError:
        close(received)
        raise


def close(fds: tuple[int, ...]) -> None:
    for descriptor in fds:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def memory(data: memoryview, *, seals: int = READ_ONLY) -> int:
    """A descriptor of anonymous memory with a copy of `data`, sealed."""
    descriptor = os.memfd_create("tensors", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        place = 0
        while place < len(data):
            place += os.pwrite(descriptor, data[place:], place)
        fcntl.fcntl(descriptor, F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def read_into(descriptor: int, buffer: memoryview) -> None:
    """Fill `buffer` from the start of a memory file.

    Raises:
        ProtocolError: the file is shorter.
    """
    place = 0
    while place < len(buffer):
        count = os.preadv(descriptor, [buffer[place:]], place)
        if not count:
            raise ProtocolError("a memory file is shorter than it was made")
        place += count


def _parse(packet: bytes, flags: int) -> tuple[Kind, bytes]:
    if not packet:
        raise Closed("it hung up")
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise ProtocolError("an oversized message, or one with descriptors")
    if len(packet) < HEADER.size:
        raise ProtocolError("a short message")
    version, kind, length = HEADER.unpack_from(packet)
    body = packet[HEADER.size :]
    if version != VERSION or length != len(body):
        raise ProtocolError("a malformed message")
    try:
        return Kind(kind), body
    except ValueError:
        raise ProtocolError("an unknown kind of message") from None


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    found: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found += struct.unpack(f"{len(data) // 4}i", data[: len(data) // 4 * 4])
    return tuple(found)


def _set_timeout(link: socket.socket, deadline: float | None) -> None:
    # A timeout of 0 would mean: do not block, and say so with another error.
    link.settimeout(None if deadline is None else max(1e-4, deadline - time.monotonic()))
