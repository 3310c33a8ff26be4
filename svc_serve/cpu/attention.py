"""Attention of a flat batch: decode rows over shared prompts, and prompts over themselves.

Grouped queries are folded into the query length, so keys and values are never repeated. A
completion's attention over its group's prompt and over its own tokens are two softmaxes, joined
exactly by their normalisers (as FlashAttention does between blocks, arXiv:2205.14135).
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from svc_serve.cpu.kv import KvBlock

_FUSED = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Decode:
    """One new token for each row of `own`: flat rows `start` to `end`."""

    start: int
    end: int
    own: KvBlock
    prompt: KvBlock | None
    """The shared prompt, if it is not part of `own`."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """The next tokens of one prompt: flat rows `start` to `end`."""

    start: int
    end: int
    block: KvBlock


Segment = Decode | Prefill


def attend(
    segments: tuple[Segment, ...],
    layer: int,
    queries: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
) -> torch.Tensor:
    """Attention of all segments; each segment's keys and values are kept on the way.

    Args:
        segments: Together they cover all rows, in order.
        layer: Number of the layer.
        queries: [rows, heads, head_dim], rotated.
        keys: [rows, kv heads, head_dim], rotated.
        values: [rows, kv heads, head_dim].

    Returns:
        [rows, heads * head_dim]
    """
    outputs = [
        (_decode if isinstance(segment, Decode) else _prefill)(
            segment,  # type: ignore[arg-type]
            layer,
            queries[segment.start : segment.end],
            keys[segment.start : segment.end],
            values[segment.start : segment.end],
        )
        for segment in segments
    ]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs)


def _decode(
    segment: Decode, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    rows, kv_heads, dim = keys.shape
    folded = queries.view(rows, kv_heads, -1, dim)
    all_keys, all_values = segment.own.extend(layer, keys.unsqueeze(2), values.unsqueeze(2))
    own, own_norm = attention_with_norm(folded, all_keys, all_values)
    if segment.prompt is None:
        return own.reshape(rows, -1)
    # One prompt for all rows: they become the query length of a single sequence.
    flat = folded.transpose(0, 1).reshape(1, kv_heads, -1, dim)
    shared, shared_norm = attention_with_norm(flat, *segment.prompt.read(layer))
    shared = shared.view(kv_heads, rows, -1, dim).transpose(0, 1)
    shared_norm = shared_norm.view(kv_heads, rows, -1).transpose(0, 1)
    weight = torch.sigmoid(own_norm - shared_norm).to(own.dtype).unsqueeze(-1)
    return torch.lerp(shared, own, weight).reshape(rows, -1)


def _prefill(
    segment: Prefill, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> torch.Tensor:
    tokens = len(queries)
    all_keys, all_values = segment.block.extend(
        layer, keys.transpose(0, 1).unsqueeze(0), values.transpose(0, 1).unsqueeze(0)
    )
    seen = segment.block.length
    mask = None
    if seen:
        mask = torch.ones(tokens, seen + tokens, dtype=torch.bool, device=queries.device).tril_(
            seen
        )
    mixed = functional.scaled_dot_product_attention(
        queries.transpose(0, 1).unsqueeze(0),
        all_keys,
        all_values,
        attn_mask=mask,
        is_causal=mask is None,
        enable_gqa=True,
    )
    return mixed.squeeze(0).transpose(0, 1).reshape(tokens, -1)


def attention_with_norm(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention without a mask, and the logarithm of each softmax's normaliser.

    Args:
        queries: [batch, heads, queries, head_dim].
        keys: [batch, heads, tokens, head_dim].
        values: The same shape.

    Returns:
        [batch, heads, queries, head_dim], and [batch, heads, queries] in float32.
    """
    if queries.device.type == "cpu":
        mixed, norm = _FUSED(queries, keys, values)
        return mixed, norm
    scores = (queries @ keys.transpose(-1, -2)).float() * queries.shape[-1] ** -0.5
    norm = scores.logsumexp(-1)
    weights = (scores - norm.unsqueeze(-1)).exp_()
    return weights.to(values.dtype) @ values, norm
