"""Whether an output is what the reference computes. Pure: tensors in, a finding out.

The reference is computed in float64. What PyTorch itself loses in the task's own precision is known
from a second run, and an output is allowed a few times as much.
"""

from typing import NamedTuple

import torch

TOLERANCE = {
    torch.float64: (1e-7, 1e-7),
    torch.float32: (1e-4, 1e-4),
    torch.float16: (1e-3, 1e-2),
    torch.bfloat16: (1e-2, 2e-2),
}
"""Relative, for elementwise tasks and for those that accumulate."""
LOOSEST = (1e-2, 2e-2)
"""For floating dtypes that the table does not know (float8)."""
OWN_ERROR = 4.0
"""How many times PyTorch's own error is allowed."""
SMALLEST_SCALE = 0.01
"""Outputs of smaller magnitude are compared as if they had this one."""
ULPS = 4
"""Distance in units of the last place up to which two outputs count as the same."""


class Finding(NamedTuple):
    """The outcome of a comparison.

    Attributes:
        right: within tolerance everywhere.
        text: the worst element, or the first difference in kind; empty if right.
    """

    right: bool
    text: str = ""


RIGHT = Finding(right=True)


def compare(
    output: torch.Tensor, exact: torch.Tensor, native: torch.Tensor, *, accumulates: bool
) -> Finding:
    """Compare an output with the reference.

    Args:
        output: what the kernel returned.
        exact: the reference in float64 (or as `native`, where it does not exist in float64).
        native: the reference in the task's own precision; shape and dtype that `output` must have.
        accumulates: the task is not elementwise.
    """
    if output.shape != native.shape:
        return Finding(
            right=False, text=f"shape {list(output.shape)} instead of {list(native.shape)}"
        )
    if output.dtype != native.dtype:
        return Finding(right=False, text=f"{output.dtype} instead of {native.dtype}")
    if native.is_complex():
        return compare(*map(torch.view_as_real, (output, exact, native)), accumulates=accumulates)
    if not native.is_floating_point():
        # Where rounding decides, both references are right.
        wrong = (output != native) & (output != exact.to(native.dtype))
        return _worst(wrong, output, native, wrong)
    return _compare_floating(output, exact, native, accumulates=accumulates)


def _compare_floating(
    output: torch.Tensor, exact: torch.Tensor, native: torch.Tensor, *, accumulates: bool
) -> Finding:
    expected, found = exact.double(), output.double()
    # The task's dtype has less range than float64: what overflows in it may do so here.
    expected = torch.where(native.isfinite() & expected.isfinite(), expected, native.double())
    finite = expected.isfinite() & found.isfinite()
    error = torch.where(finite, (found - expected).abs(), 0.0)
    excess = error - tolerance(expected, native, accumulates=accumulates)
    same_kind = (found == expected) | (found.isnan() & expected.isnan())
    wrong = torch.where(finite, excess > 0, ~same_kind)
    return _worst(wrong, output, exact, torch.where(finite, excess, torch.inf))


def tolerance(expected: torch.Tensor, native: torch.Tensor, *, accumulates: bool) -> torch.Tensor:
    """The absolute error allowed at each element.

    Relative to the element or, for small ones, to the root mean square of all; never less than
    OWN_ERROR times what PyTorch itself is off by, there and at the median.

    Args:
        expected: reference in float64.
        native: reference in the task's precision.
        accumulates: the task is not elementwise.
    """
    relative = TOLERANCE.get(native.dtype, LOOSEST)[int(accumulates)]
    finite = expected[expected.isfinite()]
    scale = finite.square().mean().sqrt().item() if finite.numel() else 1.0
    absolute = relative * min(max(scale, SMALLEST_SCALE), 1.0)
    allowed = absolute + relative * expected.abs()
    own = torch.where(
        expected.isfinite() & native.isfinite(), (native.double() - expected).abs(), 0.0
    )
    if own.numel():
        own = own + own.median()
    return torch.maximum(allowed, OWN_ERROR * own)


def same(left: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether two outputs are the same up to a few units of the last place."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if not left.is_floating_point():
        return torch.equal(left, right)
    first, second = left.double(), right.double()
    unit = torch.finfo(left.dtype).eps * torch.maximum(first.abs(), second.abs())
    near = (first - second).abs() <= ULPS * unit + torch.finfo(left.dtype).tiny
    return bool((near | (first == second) | (first.isnan() & second.isnan())).all())


def _worst(
    wrong: torch.Tensor, output: torch.Tensor, expected: torch.Tensor, badness: torch.Tensor
) -> Finding:
    count = int(wrong.sum())
    if not count:
        return RIGHT
    flat = torch.where(wrong, badness.double(), -torch.inf).reshape(-1)
    place = int(flat.argmax())
    index = [int(i) for i in torch.unravel_index(torch.tensor(place), wrong.shape)]
    got, want = output.reshape(-1)[place].item(), expected.reshape(-1)[place].item()
    return Finding(
        right=False,
        text=f"{count} of {wrong.numel()} elements are wrong: {got:.6g} instead of {want:.6g}"
        f" at {index}",
    )
