"""Rows of many adapters in one batch."""

import pytest
import torch

from svc_serve.cpu import lora
from svc_serve.cpu.lora import Adapter, LoraLayer, Pair, Router, Run

IN, WIDTHS = 6, (4, 3)


def adapter(seed: int, rank: int = 2, *, both: bool = True) -> Adapter:
    """With a fused projection of two parts, of which it may leave the second alone."""
    generator = torch.Generator().manual_seed(seed)
    fused = [torch.randn(rank, width, generator=generator) for width in WIDTHS]
    if not both:
        fused[1] = torch.empty(0, WIDTHS[1])
    b = torch.block_diag(*fused)  # type: ignore[no-untyped-call]
    return Adapter(
        rank, (LoraLayer(Pair(torch.randn(IN, len(b), generator=generator), b), None, None, None),)
    )


def one_by_one(y: torch.Tensor, x: torch.Tensor, runs: list[Run]) -> torch.Tensor:
    y = y.clone()
    for run in runs:
        pair = run.adapter.layers[0].qkv
        for row in range(run.start, run.end):
            y[row] += x[row] @ pair.a @ pair.b  # type: ignore[union-attr]
    return y


def runs_of(adapters: list[Adapter], lengths: list[int], first: int = 0) -> list[Run]:
    runs = []
    for each, length in zip(adapters, lengths, strict=True):
        runs.append(Run(first, first + length, each))
        first += length
    return runs


SAME = [adapter(seed) for seed in range(6)]
MIXED = [adapter(0), adapter(1, rank=3), adapter(2, both=False), adapter(3), adapter(4)]


@pytest.mark.parametrize(
    "runs",
    [
        runs_of(SAME, [1] * 6),
        runs_of(SAME, [3] * 6, first=2),
        runs_of(SAME, [1, 1, 1, 1, 5, 2]),
        runs_of(MIXED, [1] * 5),
        runs_of(SAME[:2], [2, 2]),
        [*runs_of(SAME[:4], [1] * 4), *runs_of(SAME[:4], [1] * 4, first=6)],
        [],
    ],
    ids=["stacked", "stacked rows", "then longer", "shapes differ", "few", "gap", "none"],
)
def test_each_row_goes_through_its_own_adapter(runs: list[Run]) -> None:
    x, y = torch.randn(20, IN), torch.randn(20, sum(WIDTHS))
    router = Router()
    router.route(runs)
    wanted = one_by_one(y, x, runs)
    torch.testing.assert_close(router.add(y.clone(), x, 0, "qkv"), wanted)
    untouched = torch.randn(20, 5)
    assert router.add(untouched.clone(), x, 0, "down").equal(untouched)


def test_weights_are_put_side_by_side_once_for_the_same_adapters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    copied = []
    real = lora._stack
    monkeypatch.setattr(lora, "_stack", lambda pairs: copied.append(len(pairs)) or real(pairs))
    router = Router()
    x, y = torch.randn(20, IN), torch.randn(20, sum(WIDTHS))
    for first in (0, 0, 3):  # rows may move
        runs = runs_of(SAME, [1] * 6, first)
        router.route(runs)
        torch.testing.assert_close(router.add(y.clone(), x, 0, "qkv"), one_by_one(y, x, runs))
    assert copied == [6]
    for adapters in (SAME[1:], SAME):  # what is not in the last batch is forgotten
        router.route(runs_of(adapters, [1] * len(adapters)))
        router.add(y.clone(), x, 0, "qkv")
    assert copied == [6, 5, 6]
