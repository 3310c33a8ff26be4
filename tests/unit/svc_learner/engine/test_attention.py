"""Attention by parts equals attention under one mask of all tokens by all tokens."""

import random
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from svc_learner.engine import attention, parts, tiles
from svc_learner.engine.batching import Tree
from svc_learner.engine.parts import Attending, Part, cut

CPU = torch.device("cpu")
HEADS, KV_HEADS, DIM = 4, 2, 8
Attend = Callable[[Tensor, Tensor, Tensor, Attending], Tensor]


def forest(rng: random.Random, longest: int = 9) -> tuple[Tree, ...]:
    trees: list[Tree] = []
    for _ in range(rng.randint(1, 4)):
        lengths = tuple(rng.randint(0, longest) for _ in range(rng.randint(1, 4)))
        trees.append(Tree(trees[-1].end if trees else 0, rng.randint(1, longest), lengths))
    return tuple(trees)


def seen(trees: Sequence[Tree], window: int | None) -> Tensor:
    """[T, T], written down from what a tree means."""
    mask = torch.zeros(trees[-1].end, trees[-1].end, dtype=torch.bool)
    for tree in trees:
        prompt = list(range(tree.start, tree.start + tree.prompt))
        for start, end in [*tree.branches(), (0, 0)]:
            sequence = [*prompt, *range(start, end)]
            for place, row in enumerate(sequence):
                first = 0 if window is None else max(0, place - window + 1)
                mask[row, sequence[first : place + 1]] = True
    return mask


def tensors(rows: int, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = [(rows, heads, DIM) for heads in (HEADS, KV_HEADS, KV_HEADS, HEADS)]
    return [torch.randn(shape, generator=generator) for shape in shapes]


def with_gradients(attend: Callable[[Tensor, Tensor, Tensor], Tensor], rows: int) -> list[Tensor]:
    *inputs, above = tensors(rows)
    leaves = [x.requires_grad_() for x in inputs]
    out = attend(*leaves)
    return [out.detach(), *torch.autograd.grad(out, leaves, above)]


def dense(trees: Sequence[Tree], window: int | None = None) -> list[Tensor]:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.transpose(0, 1) for x in (q, k, v))
        k, v = (x.repeat_interleave(HEADS // KV_HEADS, 0) for x in (k, v))
        mask = seen(trees, window)
        return functional.scaled_dot_product_attention(
            q, k, v, attn_mask=mask, scale=0.3
        ).transpose(0, 1)

    return with_gradients(attend, trees[-1].end)


def by_parts(attend: Attend, trees: Sequence[Tree], window: int | None = None) -> list[Tensor]:
    how = Attending(cut(trees, CPU), 0.3, window)
    return with_gradients(lambda q, k, v: attend(q, k, v, how), trees[-1].end)


@pytest.mark.parametrize("attend", [tiles.attend, attention.fused], ids=["tiles", "fused"])
@pytest.mark.parametrize("window", [None, 3])
def test_outputs_and_gradients_equal_those_under_a_dense_mask(
    attend: Attend, window: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "SHORT", 2)  # several parts of one prompt
    monkeypatch.setattr(tiles, "QUERIES", 3)  # several tiles of one sequence
    monkeypatch.setattr(tiles, "SCORES", 40)

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10**6))
    def check(seed: int) -> None:
        trees = forest(random.Random(seed))
        found = by_parts(attend, trees, window)
        torch.testing.assert_close(found, dense(trees, window), atol=1e-5, rtol=1e-4)

    check()


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6))
def test_every_row_is_computed_by_one_part(seed: int) -> None:
    trees = forest(random.Random(seed), longest=200)
    found = cut(trees, CPU)
    rows = torch.cat([part.rows for part in found])
    assert sorted(rows.tolist()) == list(range(trees[-1].end))
    for part in found:
        longest = part.length <= parts.SHORT
        assert longest or len(part.rows) >= parts.LEAST_FILL * len(part.gather)


def scores(found: Sequence[Part]) -> int:
    return sum(part.sequences * part.length * (part.offset + part.length) for part in found)


def test_work_grows_with_what_tokens_attend_to() -> None:
    """Eight times the prompts of a group cost eight times as much, not 64 times."""
    one = cut((Tree(0, 50, (40,) * 8),), CPU)
    size = 50 + 8 * 40
    eight = cut(tuple(Tree(n * size, 50, (40,) * 8) for n in range(8)), CPU)
    assert scores(eight) == 8 * scores(one)
    assert scores(one) < size**2 / 4


@pytest.mark.parametrize("attend", [tiles.attend, attention.fused], ids=["tiles", "fused"])
def test_what_is_not_finite_stays_in_its_own_tree(attend: Attend) -> None:
    trees = (Tree(0, 3, (2, 4)), Tree(9, 2, (3,)), Tree(14, 3, (2, 2)))
    how = Attending(cut(trees, CPU), 1.0)
    *inputs, above = tensors(21)
    for x in inputs:
        x[9:14] = torch.nan
    leaves = [x.requires_grad_() for x in inputs]
    out = attend(*leaves, how)
    grads = torch.autograd.grad(out, leaves, above)
    others = [*range(9), *range(14, 21)]
    assert all(x[others].isfinite().all() for x in (out, *grads))
    assert not out[9:14].isfinite().any()
