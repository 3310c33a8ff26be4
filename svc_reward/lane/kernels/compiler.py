"""The compiler's process: turns extracted kernels into real GPU binaries, on any machine.

Triton's wheel holds LLVM and `ptxas`, so an sm_90 binary needs no GPU. Candidate code is never
executed in here: what is compiled is text that `kernel_module.extract` took from it.

Once warm, a small kernel takes about 45 ms of CPU: 20 in `ptxas`, a process of its own, 10 in LLVM and
MLIR, 4 in Triton's front end. The first one takes 1.2 s, for what Triton imports and hashes: the
zygote pays that in `warm`.
"""

import ast
import contextlib
import io
import json
import linecache
import os
import re
import socket
import tempfile
import types
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

from . import protocol, signatures
from .faults import describe
from .protocol import Kind
from .reports import MAX_TEXT, Launch, Reader, Writer

FILENAME = "kernels.py"
DEFAULT_TARGET = "cuda:90"
_WARP = {"cuda": 32, "hip": 64}
_REGISTERS = re.compile(r"Used (\d+) registers")
_SPILLS = re.compile(r"(\d+) bytes spill stores")


class Compiled(NamedTuple):
    """What became of one kernel.

    Attributes:
        kernel: name.
        ok: there is a binary.
        text: why not.
        registers: per thread, as ptxas reports them; 0 where unknown.
        spills: bytes of registers that did not fit.
        shared: bytes of shared memory.
    """

    kernel: str
    ok: bool
    text: str = ""
    registers: int = 0
    spills: int = 0
    shared: int = 0

    def pack(self) -> bytes:
        writer = Writer()
        writer.text(self.kernel)
        writer.text(self.text, MAX_TEXT)
        for number in (self.ok, self.registers, self.spills, self.shared):
            writer.number(number)
        return writer.done()

    @classmethod
    def unpack(cls, body: bytes) -> Self:
        reader = Reader(body)
        kernel, text = reader.text(), reader.text(MAX_TEXT)
        found = cls(kernel, reader.flag(), text, reader.number(), reader.number(), reader.number())
        reader.finish()
        return found


class Order(NamedTuple):
    """What to compile.

    Attributes:
        source: a module of kernels and constants only.
        launches: how each was launched.
        target: as in "cuda:90" or "hip:gfx942".
    """

    source: str
    launches: tuple[Launch, ...]
    target: str = DEFAULT_TARGET

    def pack(self) -> bytes:
        return json.dumps(self._asdict()).encode()

    @classmethod
    def unpack(cls, payload: bytes) -> Self:
        fields = json.loads(payload)
        rows = fields["launches"]
        launches = tuple(
            Launch(kernel, tuple((name, kind) for name, kind in types_), tuple(constants), options)
            for kernel, types_, constants, options in rows
        )
        return cls(fields["source"], launches, fields["target"])


def serve(payload: bytes, link: socket.socket) -> None:
    """Compile, and report each kernel as soon as it is done: the next one may crash the compiler."""
    try:
        order = Order.unpack(payload)
    except (ValueError, TypeError, KeyError):
        return
    os.environ["TRITON_CACHE_DIR"] = os.getcwd()
    tempfile.tempdir = os.getcwd()
    with contextlib.suppress(protocol.ProtocolError):
        for result in results(order):
            protocol.send(link, Kind.COMPILED, result.pack())


def results(order: Order) -> Any:
    """Compile one launch after the other."""
    try:
        kernels = load(order.source)
    except Exception as error:  # noqa: BLE001 - anything that decorators and constants raise
        text = describe(error, FILENAME)
        yield from (Compiled(launch.kernel, ok=False, text=text) for launch in order.launches)
        return
    for launch in order.launches:
        yield compile_one(kernels, launch, order.target)


def load(source: str) -> dict[str, Any]:
    """The names of a module of kernels."""
    module = types.ModuleType("kernels")
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    exec(compile(source, FILENAME, "exec"), module.__dict__)  # noqa: S102 - extracted, not as written
    return module.__dict__


def compile_one(kernels: Mapping[str, Any], launch: Launch, target: str) -> Compiled:
    """Compile a kernel as it was launched; never raises."""
    log = io.StringIO()
    try:
        with contextlib.redirect_stdout(log):
            shared = _compile(kernels, launch, target)
    except Exception as error:  # noqa: BLE001 - the compiler's many, and what the source makes it do
        return Compiled(launch.kernel, ok=False, text=describe(error, FILENAME))
    registers, spills = (_first(pattern, log.getvalue()) for pattern in (_REGISTERS, _SPILLS))
    return Compiled(launch.kernel, ok=True, registers=registers, spills=spills, shared=shared)


def _compile(kernels: Mapping[str, Any], launch: Launch, target: str) -> int:
    """Compile; the bytes of shared memory that it takes."""
    import triton  # noqa: PLC0415 - a lane without kernels has none
    from triton.compiler import ASTSource  # noqa: PLC0415

    function = _jitted(kernels.get(launch.kernel))
    if function is None:
        raise ValueError(f"no @triton.jit function {launch.kernel} at the module's top level")
    functions = {name: found for name in kernels if (found := _jitted(kernels[name])) is not None}
    if any(kind == "?" or kind.startswith("(") for _, kind in launch.types):
        raise ValueError("an argument of a type that cannot be compiled ahead of time")
    constants = {
        name: signatures.constant(text, functions)
        for (name, kind), text in zip(launch.types, launch.constants, strict=True)
        if kind == "constexpr"
    }
    source = ASTSource(fn=function, signature=dict(launch.types), constexprs=constants)
    binary = triton.compile(source, target=gpu(target), options=ast.literal_eval(launch.options))
    return int(binary.metadata.shared)


def gpu(target: str) -> Any:
    """Triton's name for a target."""
    from triton.backends.compiler import GPUTarget  # noqa: PLC0415

    backend, _, arch = target.partition(":")
    return GPUTarget(backend, int(arch) if arch.isdigit() else arch, _WARP[backend])


def _jitted(found: Any) -> Any:
    """The function inside of `@triton.autotune` and `@triton.heuristics`; None if there is none."""
    from triton.runtime import JITFunction  # noqa: PLC0415

    for _ in range(4):
        if isinstance(found, JITFunction):
            return found
        found = getattr(found, "fn", None)
    return None


def _first(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.search(text)
    return int(match[1]) if match else 0


def warm(target: str = DEFAULT_TARGET) -> None:
    """Compile once in the zygote, so that children find everything imported, hashed and linked."""
    from triton import knobs  # noqa: PLC0415

    knobs.nvidia.dump_ptxas_log = True
    launch = Launch(
        "warm",
        (("x_ptr", "*fp32"), ("out_ptr", "*fp32"), ("size", "i32"), ("BLOCK", "constexpr")),
        ("", "", "", "=128"),
        "{}",
    )
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["TRITON_CACHE_DIR"] = tempfile.tempdir = scratch
        result = compile_one(load(_WARM), launch, target)
    tempfile.tempdir = None
    linecache.cache.pop(FILENAME, None)
    if not result.ok:
        raise RuntimeError(f"the compiler does not work: {result.text}")


_WARM = """
import triton
import triton.language as tl


@triton.jit
def warm(x_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x = tl.load(x_ptr + offsets, mask=offsets < size)
    tl.store(out_ptr + offsets, tl.exp(x) + tl.sum(x, axis=0), mask=offsets < size)
"""
