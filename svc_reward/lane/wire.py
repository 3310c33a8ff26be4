"""The bytes that cross a lane's boundaries. Every format is fixed and length-checked; no pickle.

host → broker    Job: header and an opaque payload that only the child reads
broker → host    Ready | Fatal | Result
child → broker   one Record
"""

import struct
from enum import IntEnum
from typing import NamedTuple, Self

PROTOCOL = 1
MAX_PAYLOAD = 16 << 20
MAX_MESSAGE = 4000
MAX_STDOUT = 16 << 10
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


class Limits(NamedTuple):
    """What one evaluation may use.

    Attributes:
        wall: seconds.
        memory: bytes of address space beyond what the preloaded modules take.
        file: bytes of one file.
        processes: processes and threads at a time.
        output: bytes printed before the evaluation is stopped; only MAX_STDOUT are kept.
    """

    wall: float = 10.0
    memory: int = 512 << 20
    file: int = 64 << 20
    processes: int = 64
    output: int = 4 << 20


JOB_HEADER = struct.Struct(">QdQQIQ")


class Job(NamedTuple):
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


RECORD_HEADER = struct.Struct(">BBdI")


class Record(NamedTuple):
    """A child's verdict on its own job."""

    status: Status
    value: float
    message: str

    def pack(self) -> bytes:
        text = clip(self.message)
        return RECORD_HEADER.pack(PROTOCOL, self.status, self.value, len(text)) + text

    @classmethod
    def unpack(cls, data: bytes) -> Self:
        """Read what a hostile child may have written.

        Raises:
            WireError: it is not exactly one well-formed record.
        """
        if len(data) < RECORD_HEADER.size:
            raise WireError("short record")
        version, status, value, length = RECORD_HEADER.unpack_from(data)
        text = data[RECORD_HEADER.size :]
        if version != PROTOCOL or status not in CHILD_STATUSES or length != len(text):
            raise WireError("malformed record")
        if length > MAX_MESSAGE:
            raise WireError("oversized record")
        return cls(Status(status), value, text.decode(errors="backslashreplace"))

    @classmethod
    def complete(cls, data: bytes) -> bool:
        """Whether `data` holds all that its header announces."""
        if len(data) < RECORD_HEADER.size:
            return False
        return bool(len(data) >= RECORD_HEADER.size + RECORD_HEADER.unpack_from(data)[3])


MAX_RECORD = RECORD_HEADER.size + MAX_MESSAGE


RESULT_HEADER = struct.Struct(">QB?dddQII")


class Result(NamedTuple):
    """How an evaluation ended.

    Attributes:
        sequence: of its job.
        status: verdict.
        clean: whether the lane is as it was before; if not, it must not be used again.
        value: the score if status is OK, else 0.
        seconds: wall time.
        cpu: CPU seconds of the child and the descendants that it waited for.
        memory: bytes, the child's peak resident size.
        message: for people.
        stdout: what was printed, capped.
    """

    sequence: int
    status: Status
    clean: bool
    value: float
    seconds: float
    cpu: float
    memory: int
    message: str
    stdout: str

    def pack(self) -> bytes:
        message = clip(self.message)
        stdout = self.stdout.encode(errors="backslashreplace")
        header = RESULT_HEADER.pack(
            self.sequence,
            self.status,
            self.clean,
            self.value,
            self.seconds,
            self.cpu,
            self.memory,
            len(message),
            len(stdout),
        )
        return header + message + stdout

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        """Read a broker's answer.

        Raises:
            WireError: it does not follow the format.
        """
        size = RESULT_HEADER.size
        if len(body) < size:
            raise WireError("short result")
        *head, message_length, stdout_length = RESULT_HEADER.unpack_from(body)
        sequence, status, clean, value, seconds, cpu, memory = head
        if len(body) != size + message_length + stdout_length:
            raise WireError("result lengths disagree")
        try:
            known = Status(status)
        except ValueError:
            raise WireError("unknown status") from None
        message = body[size : size + message_length].decode(errors="backslashreplace")
        stdout = body[size + message_length :].decode(errors="backslashreplace")
        return cls(sequence, known, clean, value, seconds, cpu, memory, message, stdout)


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
