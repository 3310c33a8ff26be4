"""The forward pass over a flat batch: decode rows and prompt tokens side by side."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from svc_serve.cpu import attention, lora
from svc_serve.cpu.architecture import Architecture, rope_table
from svc_serve.cpu.weights import Layer, Weights


@dataclass(frozen=True, slots=True)
class Batch:
    """One token per flat row. Segments cover the rows in order."""

    token_ids: torch.Tensor
    """[rows]"""
    positions: torch.Tensor
    """[rows]"""
    segments: tuple[attention.Segment, ...]
    loras: tuple[lora.Run, ...]
    logit_rows: torch.Tensor
    """Rows whose next token is wanted."""


class Model:
    """Base weights plus whatever adapters a batch names."""

    def __init__(self, architecture: Architecture, weights: Weights, *, max_context: int) -> None:
        self.architecture = architecture
        self._weights = weights
        self._router = lora.Router()
        like = weights.embedding
        cos, sin = rope_table(architecture, max_context)
        self._cos = cos.to(like).unsqueeze(1)
        self._sin = sin.to(like).unsqueeze(1)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits [len(logit_rows), vocab] in float32; extends the segments' keys and values."""
        norm_eps = self.architecture.norm_eps
        self._router.route(batch.loras)
        rope = (self._cos[batch.positions], self._sin[batch.positions])
        x = self._weights.embedding[batch.token_ids]
        for number, layer in enumerate(self._weights.layers):
            x = x + self._attention(
                number, layer, _norm(x, layer.attention_norm, norm_eps), rope, batch
            )
            x = x + self._mlp(number, layer, _norm(x, layer.mlp_norm, norm_eps))
        x = x[batch.logit_rows]
        return self._weights.head(_norm(x, self._weights.norm, norm_eps)).float()

    def _attention(
        self,
        number: int,
        layer: Layer,
        x: torch.Tensor,
        rope: tuple[torch.Tensor, torch.Tensor],
        batch: Batch,
    ) -> torch.Tensor:
        shape = self.architecture
        qkv = self._router.add(layer.qkv(x), x, number, "qkv").view(len(x), -1, shape.head_dim)
        rotated = shape.heads + shape.kv_heads
        qk = qkv[:, :rotated]
        if layer.q_norm is not None and layer.k_norm is not None:
            qk = torch.cat(
                (
                    _norm(qk[:, : shape.heads], layer.q_norm, shape.norm_eps),
                    _norm(qk[:, shape.heads :], layer.k_norm, shape.norm_eps),
                ),
                dim=1,
            )
        qk = _rotate(qk, *rope)
        mixed = attention.attend(
            batch.segments, number, qk[:, : shape.heads], qk[:, shape.heads :], qkv[:, rotated:]
        )
        return self._router.add(layer.output(mixed), mixed, number, "output")

    def _mlp(self, number: int, layer: Layer, x: torch.Tensor) -> torch.Tensor:
        gate, up = self._router.add(layer.gate_up(x), x, number, "gate_up").chunk(2, dim=-1)
        inner = functional.silu(gate).mul_(up)
        return self._router.add(layer.down(inner), inner, number, "down")


def _norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    return functional.rms_norm(x, (x.shape[-1],), weight, eps)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return (x * cos).addcmul_(turned, sin)
