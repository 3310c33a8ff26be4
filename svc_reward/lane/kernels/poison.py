"""Fills memory that PyTorch hands out uninitialised, so that nothing stale can pass for an answer."""

from typing import Any

import torch

_PATTERNS: dict[int, tuple[torch.dtype, int]] = {
    1: (torch.uint8, 0x5A),
    2: (torch.int16, 0x7EED),
    4: (torch.int32, 0x7FEDFACE),
    8: (torch.int64, 0x7FFDFACE7FFDFACE),
}
"""By element size. As float16, float32 and float64 these are NaNs that no computation makes."""
_BFLOAT16 = 0x7FED
_UNMARKED = {torch.bool}
"""Dtypes in which nothing can be marked."""


def pattern(dtype: torch.dtype) -> tuple[torch.dtype, int]:
    """The integer dtype and the value that mark an element as never written."""
    integer, value = _PATTERNS[dtype.itemsize]
    return integer, _BFLOAT16 if dtype is torch.bfloat16 else value


def fill(value: Any) -> None:
    """Mark every element of a fresh tensor."""
    if not isinstance(value, torch.Tensor) or not value.numel() or value.dtype in _UNMARKED:
        return
    if value.is_complex():
        value = torch.view_as_real(value)
    if value.is_quantized or value.dtype.itemsize not in _PATTERNS:
        return
    integer, mark = pattern(value.dtype)
    value.view(integer).fill_(mark)


def is_untouched(value: torch.Tensor) -> bool:
    """Whether every element still carries the mark."""
    if value.dtype in _UNMARKED or not value.numel():
        return False
    if value.is_complex():
        value = torch.view_as_real(value)
    integer, mark = pattern(value.dtype)
    return bool((value.contiguous().view(integer) == mark).all())
