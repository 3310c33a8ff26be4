"""Attention on a CPU, forward and backward by tiles that fit its cache.

torch's fused attention for CPUs takes five times as long backward for sequences of this length in
bfloat16. As in FlashAttention (arXiv:2205.14135), the backward pass computes the weights again, so
nothing of the size of queries by keys is kept. Grouped queries are folded into the query length:
keys and values are never repeated.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from svc_learner.engine.parts import Attending, Part, mask

QUERIES = 256
"""Most queries of one tile: above, half of what a causal mask hides would be computed."""

SCORES = 2**19
"""Scores of one tile, about."""


def attend(query: Tensor, key: Tensor, value: Tensor, how: Attending) -> Tensor:
    """[T, heads, D], and [T, kv heads, D] twice → [T, heads, D]."""
    return cast("Tensor", _Attention.apply(query, key, value, how))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Tile:
    """Some sequences, and some of their queries with all the keys that these may see."""

    batch: slice
    rows: slice
    keys: slice
    mask: Tensor
    """[queries, keys], added to the scores."""


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        query: Tensor,
        key: Tensor,
        value: Tensor,
        how: Attending,
    ) -> Tensor:
        ctx.save_for_backward(query, key, value)
        ctx.how = how
        out = torch.empty_like(query, memory_format=torch.contiguous_format)
        for part in how.parts:
            q, k, v = _fold(query, key, value, part, how.scale)
            mixed = torch.empty_like(q)
            for tile in _tiles(q, part, how.window):
                weights = _weights(q, k, tile)
                _put(mixed, tile, weights @ v[tile.batch, tile.keys])
            out.index_copy_(0, part.rows, part.unpad(_unfold(mixed, part)))
        return out

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        grad: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        query, key, value = ctx.saved_tensors
        how: Attending = ctx.how
        to_query = torch.empty_like(query, memory_format=torch.contiguous_format)
        to_key, to_value = (torch.zeros_like(x, dtype=torch.float32) for x in (key, value))
        for part in how.parts:
            q, k, v = _fold(query, key, value, part, how.scale)
            g = _heads(part.pad_zeros(grad), len(k) // part.sequences)
            dq, dk, dv = torch.empty_like(q), torch.zeros_like(k), torch.zeros_like(v)
            for tile in _tiles(q, part, how.window):
                weights, above = _weights(q, k, tile), _take(g, tile)
                dv[tile.batch, tile.keys] += weights.transpose(1, 2) @ above
                to_weights = above @ v[tile.batch, tile.keys].transpose(1, 2)
                to_scores = torch.ops.aten._softmax_backward_data(  # noqa: SLF001
                    to_weights, weights, -1, weights.dtype
                )
                _put(dq, tile, to_scores @ k[tile.batch, tile.keys])
                dk[tile.batch, tile.keys] += to_scores.transpose(1, 2) @ _take(q, tile)
            to_query.index_copy_(0, part.rows, part.unpad(_unfold(dq.mul_(how.scale), part)))
            _collect(to_key, dk, part)
            _collect(to_value, dv, part)
        return to_query, to_key.to(key.dtype), to_value.to(value.dtype), None


def _fold(
    query: Tensor, key: Tensor, value: Tensor, part: Part, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Scaled queries [R · kv heads, heads / kv heads, L, D]; keys and values [R · kv heads, N, D]."""
    kv_heads = key.shape[1]
    q = _heads(part.pad(query), kv_heads).mul_(scale)
    k, v = (part.continued(x).transpose(1, 2).flatten(0, 1) for x in (key, value))
    return q, k, v


def _heads(x: Tensor, kv_heads: int) -> Tensor:
    """[R, L, heads, D] → [R · kv heads, heads / kv heads, L, D], a copy."""
    folded = x.view(*x.shape[:2], kv_heads, -1, x.shape[-1]).permute(0, 2, 3, 1, 4)
    return folded.clone(memory_format=torch.contiguous_format).flatten(0, 1)


def _unfold(x: Tensor, part: Part) -> Tensor:
    """[R · kv heads, heads / kv heads, L, D] → [R, L, heads, D]."""
    return x.view(part.sequences, -1, *x.shape[1:]).permute(0, 3, 1, 2, 4).flatten(2, 3)


def _tiles(q: Tensor, part: Part, window: int | None) -> Iterator[Tile]:
    per_row = q.shape[1] * min(part.length, QUERIES) * (part.offset + part.length)
    step = max(1, SCORES // per_row)
    for start in range(0, part.length, QUERIES):
        end = min(start + QUERIES, part.length)
        added = mask(part.offset, start, end, window, q.dtype)
        for first in range(0, len(q), step):
            yield Tile(
                slice(first, first + step), slice(start, end), slice(0, part.offset + end), added
            )


def _take(x: Tensor, tile: Tile) -> Tensor:
    """[sequences, heads / kv heads · queries, D]."""
    return x[tile.batch, :, tile.rows].flatten(1, 2)


def _put(x: Tensor, tile: Tile, values: Tensor) -> None:
    place = x[tile.batch, :, tile.rows]
    place.copy_(values.view(place.shape))


def _weights(q: Tensor, k: Tensor, tile: Tile) -> Tensor:
    """[sequences, heads / kv heads · queries, keys]."""
    scores = _take(q, tile) @ k[tile.batch, tile.keys].transpose(1, 2)
    scores.view(len(scores), -1, *tile.mask.shape).add_(tile.mask)
    return scores.softmax(-1)


def _collect(total: Tensor, grad: Tensor, part: Part) -> None:
    """Add [R · kv heads, N, D] to [T, kv heads, D]: what a prefix gets from all that continue it."""
    found = grad.view(part.sequences, -1, *grad.shape[1:]).transpose(1, 2)
    if part.offset:
        prefix = found[:, : part.offset].sum(0, dtype=torch.float32)
        total[part.prefix[0] : part.prefix[1]] += prefix
    own = part.unpad(found[:, part.offset :])
    total.index_add_(0, part.rows, own.to(total.dtype))
