"""The bytes that cross a lane's boundaries. Every format is fixed and length-checked; no pickle.

host → broker    Job: header and an opaque payload that only the child reads
broker → host    Ready | Fatal | Result
child → broker   one Record; how it asks for workers is in `workers`
"""

import struct
from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple, Self

PROTOCOL = 2
MAX_PAYLOAD = 16 << 20
MAX_MESSAGE = 4000
MAX_STDOUT = 16 << 10
MAX_PARTS = 256
MAX_FLAGS = 32
MAX_NAME = 64
MAX_DETAILS = MAX_PARTS * (MAX_NAME + 9) + MAX_FLAGS * (MAX_NAME + 1)
MAX_SCORE = 1e6
"""Scores are checked against ±MAX_SCORE: beyond it an advantage is noise, or a forgery."""

FRAME = struct.Struct(">IB")
MAX_FRAME = MAX_PAYLOAD + 4096


class WireError(ValueError):
    """Bytes that do not follow the format."""


class Kind(IntEnum):
    JOB = 1
    READY = 2
    FATAL = 3
    RESULT = 4


class Status(IntEnum):
    """The numbers of `burnish.v1.ScoreStatus`."""

    OK = 1
    INVALID = 2
    ERROR = 3
    TIMEOUT = 4
    MEMORY_LIMIT = 5
    DISK_LIMIT = 6
    OUTPUT_LIMIT = 7
    INVALID_SCORE = 8
    CRASH = 9
    BLOCKED = 10
    SANDBOX_UNAVAILABLE = 11
    LANE_ERROR = 12


INFRASTRUCTURE = frozenset({Status.SANDBOX_UNAVAILABLE, Status.LANE_ERROR})

CHILD_STATUSES = frozenset(
    {
        Status.OK,
        Status.INVALID,
        Status.ERROR,
        Status.MEMORY_LIMIT,
        Status.DISK_LIMIT,
        Status.INVALID_SCORE,
        Status.BLOCKED,
    }
)
"""What a child may say of itself; the rest is for the broker to find."""

GRADER_STATUSES = frozenset(Status) - INFRASTRUCTURE
"""What a grader may say: it reports how the workers that it judges ended."""


class Limits(NamedTuple):
    """What one evaluation may use.

    Attributes:
        wall: seconds.
        memory: bytes of address space beyond what the preloaded modules take.
        file: bytes of one file.
        processes: processes and threads at a time.
        output: bytes printed before the evaluation is stopped; only MAX_STDOUT are kept.
        workers: further processes, each with a uid of its own, that it may have started for it.
    """

    wall: float = 10.0
    memory: int = 512 << 20
    file: int = 64 << 20
    processes: int = 64
    output: int = 4 << 20
    workers: int = 0


LIMITS = "dQQIQI"
JOB_HEADER = struct.Struct(">Q" + LIMITS)


class Job(NamedTuple):
    """One evaluation.

    Attributes:
        sequence: its number, which the answer repeats.
        limits: what it may use.
        payload: what the child reads.
    """

    sequence: int
    limits: Limits
    payload: bytes

    def pack(self) -> bytes:
        return JOB_HEADER.pack(self.sequence, *self.limits) + self.payload

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        if len(body) < JOB_HEADER.size:
            raise WireError("short job")
        sequence, *limits = JOB_HEADER.unpack_from(body)
        return cls(sequence, Limits(*limits), body[JOB_HEADER.size :])


Parts = tuple[tuple[str, float], ...]

RECORD_HEADER = struct.Struct(">BBdHHII")


class Record(NamedTuple):
    """A child's verdict on its own job.

    Attributes:
        status: how it ended.
        value: the score if status is OK, else 0.
        message: for people.
        parts: named sub-scores. Of a group: one for each completion that has a score, named by its
            index.
        flags: names of reward hacks that were found.
    """

    status: Status
    value: float
    message: str
    parts: Parts = ()
    flags: tuple[str, ...] = ()

    def pack(self) -> bytes:
        text, details = clip(self.message), pack_details(self.parts, self.flags)
        counts = len(self.parts), len(self.flags)
        head = RECORD_HEADER.pack(
            PROTOCOL, self.status, self.value, *counts, len(details), len(text)
        )
        return head + details + text

    @classmethod
    def unpack(cls, data: bytes, allowed: frozenset[Status] = CHILD_STATUSES) -> Self:
        """Read what a hostile child may have written.

        Raises:
            WireError: it is not exactly one well-formed record.
        """
        if len(data) < RECORD_HEADER.size:
            raise WireError("short record")
        version, status, value, parts, flags, size, length = RECORD_HEADER.unpack_from(data)
        body = data[RECORD_HEADER.size :]
        if version != PROTOCOL or status not in allowed or size + length != len(body):
            raise WireError("malformed record")
        if length > MAX_MESSAGE:
            raise WireError("oversized record")
        details = unpack_details(body[:size], parts, flags)
        return cls(Status(status), value, body[size:].decode(errors="backslashreplace"), *details)

    @classmethod
    def complete(cls, data: bytes) -> bool:
        """Whether `data` holds all that its header announces."""
        if len(data) < RECORD_HEADER.size:
            return False
        *_, size, length = RECORD_HEADER.unpack_from(data)
        return bool(len(data) >= RECORD_HEADER.size + size + length)


MAX_RECORD = RECORD_HEADER.size + MAX_DETAILS + MAX_MESSAGE


def pack_details(parts: Iterable[tuple[str, float]], flags: Iterable[str]) -> bytes:
    """Each part as length, name, value; then each flag as length, name."""
    packed = [_packed_name(name) + struct.pack(">d", value) for name, value in parts]
    return b"".join(packed + [_packed_name(name) for name in flags])


def _packed_name(name: str) -> bytes:
    data = name.encode()
    return bytes((len(data),)) + data


def unpack_details(data: bytes, parts: int, flags: int) -> tuple[Parts, tuple[str, ...]]:
    """The opposite of `pack_details`.

    Raises:
        WireError: it is not exactly that many well-formed parts and flags.
    """
    if parts > MAX_PARTS or flags > MAX_FLAGS:
        raise WireError("too many parts or flags")
    found: list[tuple[str, float]] = []
    names: list[str] = []
    place = 0
    try:
        for index in range(parts + flags):
            end = place + 1 + data[place]
            name = _checked_name(data[place + 1 : end])
            if index < parts:
                found.append((name, struct.unpack_from(">d", data, end)[0]))
                end += 8
            else:
                names.append(name)
            place = end
    except (IndexError, struct.error):
        raise WireError("short details") from None
    if place != len(data):
        raise WireError("details and their counts disagree")
    return tuple(found), tuple(names)


def _checked_name(data: bytes) -> str:
    if not 0 < len(data) <= MAX_NAME or not is_name(data.decode("ascii", errors="replace")):
        raise WireError("not a name")
    return data.decode("ascii")


def is_name(text: str) -> bool:
    """Whether `text` can name a part or a flag: it ends up in metric names."""
    return (
        bool(text)
        and len(text) <= MAX_NAME
        and text.isascii()
        and text.replace("_", "a").replace("-", "a").isalnum()
    )


RESULT_HEADER = struct.Struct(">QB?dddQHHIII")


class Result(NamedTuple):
    """How an evaluation ended.

    Attributes:
        sequence: of its job.
        clean: whether the lane is as it was before; if not, it must not be used again.
        seconds: wall time.
        cpu: CPU seconds of the child, its workers, and the descendants that they waited for.
        memory: bytes, the largest resident size of one of them.
        record: the verdict.
        stdout: what was printed, capped.
    """

    sequence: int
    clean: bool
    seconds: float
    cpu: float
    memory: int
    record: Record
    stdout: str

    def pack(self) -> bytes:
        record = self.record
        message, details = clip(record.message), pack_details(record.parts, record.flags)
        stdout = self.stdout.encode(errors="backslashreplace")
        header = RESULT_HEADER.pack(
            self.sequence,
            record.status,
            self.clean,
            record.value,
            self.seconds,
            self.cpu,
            self.memory,
            len(record.parts),
            len(record.flags),
            len(details),
            len(message),
            len(stdout),
        )
        return header + details + message + stdout

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """Read a broker's answer.

        Raises:
            WireError: it does not follow the format.
        """
        if len(body) < RESULT_HEADER.size:
            raise WireError("short result")
        *head, parts, flags, size, length, printed = RESULT_HEADER.unpack_from(body)
        sequence, status, clean, value, seconds, cpu, memory = head
        rest = body[RESULT_HEADER.size :]
        if len(rest) != size + length + printed:
            raise WireError("result lengths disagree")
        try:
            known = Status(status)
        except ValueError:
            raise WireError("unknown status") from None
        details = unpack_details(rest[:size], parts, flags)
        message = rest[size : size + length].decode(errors="backslashreplace")
        stdout = rest[size + length :].decode(errors="backslashreplace")
        record = Record(known, value, message, *details)
        return cls(sequence, clean, seconds, cpu, memory, record, stdout)


def frame(kind: Kind, body: bytes) -> bytes:
    return FRAME.pack(len(body), kind) + body


def parse_frame_header(header: bytes) -> tuple[int, Kind]:
    """The length of the body that follows, and what it is.

    Raises:
        WireError: not a frame header.
    """
    length, kind = FRAME.unpack(header)
    if length > MAX_FRAME:
        raise WireError("oversized frame")
    try:
        return length, Kind(kind)
    except ValueError:
        raise WireError("unknown frame") from None


def clip(text: str, limit: int = MAX_MESSAGE) -> bytes:
    """UTF-8 of `text`, at most `limit` bytes."""
    data = text.encode(errors="backslashreplace")
    if len(data) <= limit:
        return data
    return data[: limit - 3].decode(errors="ignore").encode() + "…".encode()


def printable(text: str) -> str:
    """`text` with control characters escaped, so that it can do nothing to a terminal or a page."""
    return "".join(
        char
        if char in "\n\t" or (char.isprintable() and not _is_bidi(char))
        else f"\\x{ord(char):02x}"
        if ord(char) < 0x100
        else f"\\u{ord(char):04x}"
        for char in text
    )


def _is_bidi(char: str) -> bool:
    return "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"
