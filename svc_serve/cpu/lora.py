"""LoRA adapters (arXiv:2106.09685) beside the base weights, never merged into them.

Rows of one batch may use different adapters: the base product is computed once for all rows, and
each run of rows with the same adapter adds its own low-rank product. Projections that are fused in
the base weights share one product with their A matrices.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Part:
    """The B matrix of one projection inside a fused one."""

    ranks: slice
    """Its columns of ``x A``."""
    columns: slice
    """Its columns of the fused output."""
    b: torch.Tensor
    """[rank, out]; the scale is part of it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """``dy = (x A) B`` of one fused projection."""

    a: torch.Tensor
    """[in, ranks]: the A matrices of all parts, side by side."""
    parts: tuple[Part, ...]

    def add_to(self, y: torch.Tensor, x: torch.Tensor) -> None:
        """Add to the base product `y` [rows, out] of `x` [rows, in], in place."""
        low = x @ self.a
        for part in self.parts:
            y[:, part.columns].addmm_(low[:, part.ranks], part.b)


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """Low-rank pairs of one decoder layer; None where the adapter leaves a projection alone."""

    qkv: Pair | None
    output: Pair | None
    gate_up: Pair | None
    down: Pair | None


@dataclass(frozen=True, slots=True)
class Adapter:
    """All pairs of one adapter."""

    rank: int
    layers: tuple[LoraLayer, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows of a batch that use the same adapter."""

    start: int
    end: int
    adapter: Adapter


def add(
    y: torch.Tensor, x: torch.Tensor, pairs: Sequence[tuple[int, int, Pair | None]]
) -> torch.Tensor:
    """Add low-rank products to base products, in place.

    Args:
        y: [rows, out], changed.
        x: [rows, in].
        pairs: (start, end, pair) of each run of rows that uses an adapter.
    """
    for start, end, pair in pairs:
        if pair is not None:
            pair.add_to(y[start:end], x[start:end])
    return y
