"""What a candidate's process reports of itself, as bytes. Every count that is read is bounded.

Nothing here decides that an answer is right: that is compared from raw output bytes. Reports only
ever take points away, or say which kernels to compile.
"""

import struct
from enum import IntEnum
from typing import NamedTuple, Self

from .protocol import ProtocolError

MAX_OUTPUTS = 64
MAX_RANK = 12
MAX_STATE = 512
MAX_NAME = 200
MAX_TEXT = 4000
MAX_OPS = 32
MAX_LAUNCHES = 24
MAX_PARAMETERS = 64
MAX_COUNT = 1 << 53
"""Sums of bytes and operations stay exact as doubles below it."""
MAX_MILLISECONDS = 3_600_000


class Reason(IntEnum):
    """Why something failed in the candidate's process."""

    RAISED = 0
    MEMORY = 1
    DISK = 2
    FORBIDDEN = 3


class Writer:
    """Packs values one after the other."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def number(self, value: int) -> None:
        self._pieces.append(struct.pack(">Q", max(0, min(value, MAX_COUNT))))

    def text(self, value: str, limit: int = MAX_NAME) -> None:
        data = value.encode(errors="backslashreplace")[:limit]
        self._pieces.append(struct.pack(">H", len(data)) + data)

    def done(self) -> bytes:
        return b"".join(self._pieces)


class Reader:
    """Reads what `Writer` packed.

    Raises:
        ProtocolError: from every method, if the data is short or beyond a bound.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def number(self, limit: int = MAX_COUNT) -> int:
        value: int = struct.unpack(">Q", self._take(8))[0]
        if value > limit:
            raise ProtocolError("a number beyond its bound")
        return value

    def flag(self) -> bool:
        return bool(self.number(1))

    def text(self, limit: int = MAX_NAME) -> str:
        length = struct.unpack(">H", self._take(2))[0]
        if length > limit:
            raise ProtocolError("a text beyond its bound")
        return self._take(length).decode(errors="backslashreplace")

    def finish(self) -> None:
        if self._place != len(self._data):
            raise ProtocolError("more data than announced")

    def _take(self, count: int) -> bytes:
        end = self._place + count
        if end > len(self._data):
            raise ProtocolError("less data than announced")
        piece = self._data[self._place : end]
        self._place = end
        return piece


class Layout(NamedTuple):
    """A tensor without its values: a name, a dtype as `torch` prints it, a shape."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    def write(self, writer: Writer) -> None:
        writer.text(self.name)
        writer.text(self.dtype)
        writer.number(len(self.shape))
        for size in self.shape:
            writer.number(size)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        name, dtype = reader.text(), reader.text()
        return cls(name, dtype, tuple(reader.number() for _ in range(reader.number(MAX_RANK))))


def pack_state(layouts: list[Layout]) -> bytes:
    writer = Writer()
    writer.number(len(layouts))
    for layout in layouts:
        layout.write(writer)
    return writer.done()


def unpack_state(body: bytes) -> tuple[Layout, ...]:
    """The names and shapes of a model's state dict."""
    reader = Reader(body)
    found = tuple(Layout.read(reader) for _ in range(reader.number(MAX_STATE)))
    reader.finish()
    return found


def pack_time(milliseconds: float) -> bytes:
    """Milliseconds, as whole nanoseconds."""
    writer = Writer()
    writer.number(round(milliseconds * 1e6))
    return writer.done()


def unpack_time(body: bytes) -> float:
    reader = Reader(body)
    nanoseconds = reader.number(MAX_MILLISECONDS * 1_000_000)
    reader.finish()
    return nanoseconds / 1e6


class Op(NamedTuple):
    """A PyTorch operation that computed something, with the elements that its calls read.

    Attributes:
        name: without its namespace.
        largest: elements of its largest call.
        total: of all its calls.
    """

    name: str
    largest: int
    total: int


class Launch(NamedTuple):
    """How a kernel was called, as far as its compilation depends on it.

    Attributes:
        kernel: name.
        types: of each parameter, in order: Triton's name of the type, or "constexpr".
        constants: literals of the constexpr parameters, "" for the others.
        options: literal of a dict of num_warps, num_stages and num_ctas.
    """

    kernel: str
    types: tuple[tuple[str, str], ...]
    constants: tuple[str, ...]
    options: str

    def write(self, writer: Writer) -> None:
        writer.text(self.kernel)
        writer.text(self.options)
        writer.number(len(self.types))
        for (name, kind), constant in zip(self.types, self.constants, strict=True):
            for piece in (name, kind, constant):
                writer.text(piece)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        kernel, options = reader.text(), reader.text()
        count = reader.number(MAX_PARAMETERS)
        rows = [(reader.text(), reader.text(), reader.text()) for _ in range(count)]
        return cls(
            kernel,
            tuple((name, kind) for name, kind, _ in rows),
            tuple(constant for *_, constant in rows),
            options,
        )


def write_launches(writer: Writer, launches: tuple[Launch, ...]) -> None:
    writer.number(len(launches))
    for launch in launches:
        launch.write(writer)


def read_launches(reader: Reader) -> tuple[Launch, ...]:
    return tuple(Launch.read(reader) for _ in range(reader.number(MAX_LAUNCHES)))


class Failure(NamedTuple):
    """The candidate raised.

    Attributes:
        reason: which limit that says was met, if any.
        text: for people.
        launches: that began in the call, not seen in earlier ones.
    """

    reason: Reason
    text: str
    launches: tuple[Launch, ...] = ()

    def pack(self) -> bytes:
        writer = Writer()
        writer.number(self.reason)
        writer.text(self.text, MAX_TEXT)
        write_launches(writer, self.launches)
        return writer.done()

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        reader = Reader(body)
        reason, text = Reason(reader.number(max(Reason))), reader.text(MAX_TEXT)
        found = cls(reason, text, read_launches(reader))
        reader.finish()
        return found


class Cost(NamedTuple):
    """What kernels did in one call, counted by the interpreter; zeros on a GPU.

    Attributes:
        launches: kernels started.
        loaded: bytes read under the mask.
        stored: bytes written under the mask.
        flops: of `tl.dot`.
        stores: store operations executed, masked ones included.
    """

    launches: int = 0
    loaded: int = 0
    stored: int = 0
    flops: int = 0
    stores: int = 0


class Behaviour(NamedTuple):
    """What a call did besides its answer.

    Attributes:
        aliased: an output shares memory with an input.
        mutated: an input's bytes changed.
        subclass: an output is not exactly a `torch.Tensor`.
        swallowed: a kernel raised and the call went on.
        untouched: an output was in no launch that stored anything.
        leftovers: threads and processes that are still there.
    """

    aliased: bool = False
    mutated: bool = False
    subclass: bool = False
    swallowed: bool = False
    untouched: bool = False
    leftovers: bool = False


class Report(NamedTuple):
    """One call: the outputs that it announces, and what it did."""

    outputs: tuple[Layout, ...]
    behaviour: Behaviour
    cost: Cost
    ops: tuple[Op, ...]
    launches: tuple[Launch, ...]

    def pack(self) -> bytes:
        writer = Writer()
        for count in (*map(int, self.behaviour), *self.cost):
            writer.number(count)
        writer.number(len(self.outputs))
        for layout in self.outputs:
            layout.write(writer)
        writer.number(len(self.ops))
        for op in self.ops:
            writer.text(op.name)
            writer.number(op.largest)
            writer.number(op.total)
        write_launches(writer, self.launches)
        return writer.done()

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        reader = Reader(body)
        behaviour = Behaviour(*(reader.flag() for _ in Behaviour._fields))
        cost = Cost(*(reader.number() for _ in Cost._fields))
        outputs = tuple(Layout.read(reader) for _ in range(reader.number(MAX_OUTPUTS)))
        ops = tuple(
            Op(reader.text(), reader.number(), reader.number())
            for _ in range(reader.number(MAX_OPS))
        )
        launches = read_launches(reader)
        reader.finish()
        return cls(outputs, behaviour, cost, ops, launches)
