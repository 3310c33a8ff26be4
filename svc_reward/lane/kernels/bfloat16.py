"""bfloat16 in Triton's interpreter, which keeps it as 16 bits and then calculates with those as integers.

Here its operations go through float32 and round to nearest even, as a GPU's do.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import triton.language as tl
from triton.runtime import interpreter

_OPERATIONS = (
    "fadd fsub fmul fdiv frem fma clampf precise_divf minimumf minnumf maximumf maxnumf "
    "fcmpOLT fcmpOGT fcmpOLE fcmpOGE fcmpOEQ fcmpONE fcmpULT fcmpUGT fcmpULE fcmpUGE fcmpUEQ fcmpUNE "
    "dot"
)
_INTEGER_CASTS = ("si_to_fp", "ui_to_fp")


def widen(bits: Any) -> Any:
    """bfloat16 as float32."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


def narrow(values: Any, *, nearest: bool = True) -> Any:
    """float32 as the bits of bfloat16."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    if not nearest:
        return (bits >> 16).astype(np.uint16)
    rounded = (bits + np.uint32(0x7FFF) + ((bits >> 16) & 1)) >> 16
    return np.where(np.isnan(values), np.uint16(0x7FC0), rounded.astype(np.uint16))


def install() -> None:
    """Patch the interpreter of this process."""
    builder: Any = interpreter.InterpreterBuilder
    builder.get_bf16 = lambda _, value: _handle(narrow(np.array([value], dtype=np.float32)))
    for name in _OPERATIONS.split():
        _wrap(builder, f"create_{name}", _widened)
    for name in _INTEGER_CASTS:
        _wrap(builder, f"create_{name}", _from_integer)
    _wrap(interpreter, "_convert_float", _convert)


def _wrap(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(owner, name, wrap(getattr(owner, name)))


def _handle(bits: Any) -> Any:
    return interpreter.TensorHandle(bits, tl.bfloat16)


def _is_packed(value: Any) -> bool:
    return (
        isinstance(value, interpreter.TensorHandle)
        and value.dtype.scalar == tl.bfloat16
        and value.data.dtype == np.uint16
    )


def _widened(original: Callable[..., Any]) -> Callable[..., Any]:
    """Calculate in float32; what was to be bfloat16 becomes it again."""

    @functools.wraps(original)
    def calculate(builder: Any, *operands: Any) -> Any:
        packed = [_is_packed(each) for each in operands]
        if not any(packed):
            return original(builder, *operands)
        wide = [
            interpreter.TensorHandle(widen(each.data), tl.float32) if is_packed else each
            for each, is_packed in zip(operands, packed, strict=True)
        ]
        result = original(builder, *wide)
        # A product's type is its accumulator's, every other result's is its operands'.
        accumulates = len(operands) > 2 and not packed[2]
        if accumulates or result.data.dtype != np.float32:
            return result
        return _handle(narrow(result.data))

    return calculate


def _from_integer(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def convert(builder: Any, source: Any, target: Any) -> Any:
        if target.scalar == tl.bfloat16:
            return _handle(narrow(source.data.astype(np.float32)))
        return original(builder, source, target)

    return convert


def _convert(original: Callable[..., Any]) -> Callable[..., Any]:
    """Between float32 and bfloat16, exactly; the interpreter truncates, and loses carries."""

    @functools.wraps(original)
    def convert(data: Any, source: Any, target: Any, rounding: Any) -> Any:
        if (source, target) == (tl.bfloat16, tl.float32):
            return widen(data).view(np.uint32)
        if (source, target) == (tl.float32, tl.bfloat16):
            towards_zero = interpreter._ir.ROUNDING_MODE.RTZ  # noqa: SLF001 - as the interpreter names it
            return narrow(data, nearest=rounding != towards_zero)
        return original(data, source, target, rounding)

    return convert
