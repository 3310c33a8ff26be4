"""Linear layers of a shared, frozen base, with low-rank adapters per row (arXiv:2106.09685).

One forward pass serves many adapters: the base product is computed once for all rows, and each run
of rows adds the low-rank product of its own adapter. Gradients go straight to the adapter whose
rows they come from; the base never gets any. PEFT cannot train such mixed batches.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class Pair:
    """``scale · (x Aᵀ) Bᵀ`` of one layer.

    Attributes:
        a: [rank, in], in the base's precision.
        b: [out, rank], in the base's precision.
        a_grad: [rank, in] in single precision, added to by each backward pass.
        b_grad: [out, rank], likewise.
        scale: alpha / rank.
    """

    a: Tensor
    b: Tensor
    a_grad: Tensor
    b_grad: Tensor
    scale: float


Pairs = Sequence[Pair]
"""All pairs of one adapter, in the order of the layers that it adapts."""


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive rows that use the same adapter. Rows in no run are the bare base's."""

    start: int
    end: int
    pairs: Pairs


_RUNS: ContextVar[Sequence[Run]] = ContextVar("runs", default=())


@contextmanager
def routed(runs: Sequence[Run]) -> Iterator[None]:
    """Within it, adapted layers route rows by `runs`. Backward passes need no such context."""
    token = _RUNS.set(runs)
    try:
        yield
    finally:
        _RUNS.reset(token)


def current_runs() -> Sequence[Run]:
    return _RUNS.get()


class LoraLinear(nn.Module):
    """Stands in for the frozen `linear`, which is layer number `index` of each adapter."""

    def __init__(self, linear: nn.Linear, index: int) -> None:
        super().__init__()
        self.weight = linear.weight
        self.bias = linear.bias
        self.in_features, self.out_features = linear.in_features, linear.out_features
        self.index = index

    def forward(self, x: Tensor) -> Tensor:
        """[..., rows, in] → [..., rows, out]."""
        flat = x.reshape(-1, self.in_features)
        runs = [(run.start, run.end, run.pairs[self.index]) for run in current_runs()]
        if torch.is_grad_enabled() and runs:
            # The first layer's input needs no gradient, but its adapters do.
            anchor = torch.empty(0, requires_grad=True)
            y = cast("Tensor", _Adapted.apply(flat, anchor, self.weight, self.bias, runs))  # type: ignore[no-untyped-call]
        else:
            y, _ = _forward(flat, self.weight, self.bias, runs)
        return y.view(*x.shape[:-1], self.out_features)


def adapt(model: nn.Module, *, keep: nn.Module) -> dict[str, LoraLinear]:
    """Replace all linear layers but `keep`, as PEFT's `all-linear` does with the output layer.

    Returns:
        Name → layer, in the order of their indices.
    """
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and module is not keep
    }
    layers = {name: LoraLinear(linear, i) for i, (name, linear) in enumerate(found.items())}
    for name, layer in layers.items():
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, layer)
    return layers


Rows = tuple[int, int, Pair]
"""First row, end, and what adapts them."""


class _Adapted(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        x: Tensor,
        _anchor: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        runs: list[Rows],
    ) -> Tensor:
        y, lows = _forward(x, weight, bias, runs)
        ctx.save_for_backward(x, weight, *lows)
        ctx.runs = runs
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None, None, None]:  # noqa: ANN401
        x, weight, *lows = ctx.saved_tensors
        down = product(grad, weight.t()) if ctx.needs_input_grad[0] else None
        for (start, end, pair), low in zip(ctx.runs, lows, strict=True):
            own = grad[start:end]
            low_grad = product(own, pair.b.t())
            pair.b_grad.add_((low.t() @ own).t(), alpha=pair.scale)
            pair.a_grad.add_(low_grad.t() @ x[start:end], alpha=pair.scale)
            if down is not None:
                down[start:end].addmm_(low_grad, pair.a, alpha=pair.scale)
        return down, None, None, None, None


def _forward(
    x: Tensor, weight: Tensor, bias: Tensor | None, runs: Sequence[Rows]
) -> tuple[Tensor, list[Tensor]]:
    """The product, and each run's ``x Aᵀ``."""
    y = product(x, weight, bias)
    lows = [product(x[start:end], pair.a) for start, end, pair in runs]
    for (start, end, pair), low in zip(runs, lows, strict=True):
        y[start:end].addmm_(low, pair.b.t(), alpha=pair.scale)
    return y, lows


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``x Wᵀ + b``, [rows, in] → [rows, out].

    In single precision on a CPU by oneDNN: it uses the widest instructions of any CPU, where MKL
    uses them on Intel's alone (104 against 230 GFLOP/s on an AMD EPYC with AVX-512).
    """
    if x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return cast(
            "Tensor",
            torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""),  # noqa: SLF001
        )
    return nn.functional.linear(x, weight, bias)
