"""LoRA adapters (arXiv:2106.09685) beside the base weights, never merged into them.

Rows of one batch may use different adapters: the base product is computed once for all rows, and
each run of rows with the same adapter adds its own low-rank product.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

LEAST_STACK = 4
"""Adapters from which one batched product is faster than one for each."""


@dataclass(frozen=True, slots=True)
class Pair:
    """``dy = (x A) B`` of one projection, or of several that are fused in the base weights.

    Fused ones lie side by side in A and along the diagonal of B. Most of a small product's time is
    its start, so one that multiplies zeros beats one for each.
    """

    a: torch.Tensor
    """[in, ranks]"""
    b: torch.Tensor
    """[ranks, out]; the scale is part of it."""

    def add_to(self, y: torch.Tensor, x: torch.Tensor) -> None:
        """Add to the base product `y` [..., rows, out] of `x` [..., rows, in], in place."""
        (y.addmm_ if y.dim() == 2 else y.baddbmm_)(x @ self.a, self.b)


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """Low-rank pairs of one decoder layer; None where the adapter leaves a projection alone."""

    qkv: Pair | None
    output: Pair | None
    gate_up: Pair | None
    down: Pair | None


@dataclass(frozen=True, slots=True, eq=False)
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


@dataclass(frozen=True, slots=True)
class Stretch:
    """Neighbouring runs of equal length; several of them are multiplied at once."""

    runs: tuple[Run, ...]
    stacks: dict[tuple[int, str], Pair | None]
    """By layer and projection; None where the adapters differ in shape. Filled when first used."""

    @property
    def start(self) -> int:
        return self.runs[0].start

    @property
    def end(self) -> int:
        return self.runs[-1].end

    def pair(self, layer: int, projection: str) -> Pair | None:
        """[adapters, in, ranks] and [adapters, rank, out]."""
        if (layer, projection) not in self.stacks:
            pairs = [getattr(run.adapter.layers[layer], projection) for run in self.runs]
            self.stacks[layer, projection] = _stack(pairs)
        return self.stacks[layer, projection]


class Router:
    """Sends the rows of each batch through their adapters.

    Small products cost mostly their start, so those of different adapters become one batched
    product. It wants their weights side by side: that copy is kept for as long as batches consist
    of the same adapters.
    """

    def __init__(self) -> None:
        self._stretches: list[Stretch] = []

    def route(self, runs: Sequence[Run]) -> None:
        """Begin a batch."""
        known = {tuple(run.adapter for run in each.runs): each for each in self._stretches}
        self._stretches = []
        for members in _stretches(runs):
            found = known.get(tuple(run.adapter for run in members))
            self._stretches.append(Stretch(members, found.stacks if found else {}))

    def add(self, y: torch.Tensor, x: torch.Tensor, layer: int, projection: str) -> torch.Tensor:
        """Add the low-rank products to base products, in place.

        Args:
            y: [rows, out], changed.
            x: [rows, in].
            layer: its number.
            projection: its name in `LoraLayer`.
        """
        for stretch in self._stretches:
            pair = stretch.pair(layer, projection) if len(stretch.runs) >= LEAST_STACK else None
            if pair is None:
                for run in stretch.runs:
                    own: Pair | None = getattr(run.adapter.layers[layer], projection)
                    if own is not None:
                        own.add_to(y[run.start : run.end], x[run.start : run.end])
            else:
                shape = len(stretch.runs), -1
                rows = slice(stretch.start, stretch.end)
                pair.add_to(y[rows].view(*shape, y.shape[1]), x[rows].reshape(*shape, x.shape[1]))
        return y


def _stretches(runs: Sequence[Run]) -> Iterator[tuple[Run, ...]]:
    together: list[Run] = []
    for run in runs:
        if together:
            last = together[-1]
            if run.start != last.end or run.end - run.start != last.end - last.start:
                yield tuple(together)
                together = []
        together.append(run)
    if together:
        yield tuple(together)


def _stack(pairs: Sequence[Pair | None]) -> Pair | None:
    """One pair of all, if each has the same shape."""
    found = [pair for pair in pairs if pair is not None]
    if len(found) < len(pairs) or len({(pair.a.shape, pair.b.shape) for pair in found}) != 1:
        return None
    return Pair(torch.stack([pair.a for pair in found]), torch.stack([pair.b for pair in found]))
