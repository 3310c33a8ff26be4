"""LoRA adapters (arXiv:2106.09685) beside the base weights, never merged into them.

Rows of one batch may use different adapters: the base product is computed once for all rows, and
each run of rows with the same adapter adds its own low-rank product. Projections that are fused in
the base weights are fused here too: their A matrices side by side, their B matrices block-diagonal.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from burnish.errors import UserError
from svc_serve.cpu.architecture import Architecture

_PREFIX = "base_model.model.model.layers."
_SETTINGS_THAT_CHANGE_THE_PRODUCT = (
    "use_dora",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "lora_bias",
    "layer_replication",
)


@dataclass(frozen=True, slots=True)
class Pair:
    """``Δy = (x A) B`` of one fused projection; the scale is part of B."""

    a: torch.Tensor
    """[in, ranks]"""
    b: torch.Tensor
    """[ranks, out]"""


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
            y[start:end].addmm_(x[start:end] @ pair.a, pair.b)
    return y


def load(
    folder: Path,
    architecture: Architecture,
    *,
    max_rank: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Adapter:
    """Read a PEFT folder.

    Raises:
        UserError: It is not a plain LoRA adapter of this architecture within `max_rank`.
    """
    config = _config(folder)
    rank = int(config["r"])
    if rank > max_rank:
        raise UserError(
            f"adapter rank {rank} is over this engine's limit of {max_rank}",
            field="adapter",
            hint="raise BURNISH_SERVE_MAX_RANK",
        )
    scale = config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank)
    tensors = {
        name.removeprefix(_PREFIX): tensor.to(torch.float32)
        for name, tensor in load_file(folder / "adapter_model.safetensors").items()
    }

    def pair(layer: int, module: str, parts: dict[str, int], width: int) -> Pair | None:
        fused = _fuse(tensors, f"{layer}.{module}", parts, width, scale)
        return fused and Pair(
            fused.a.to(device=device, dtype=dtype), fused.b.to(device=device, dtype=dtype)
        )

    q, kv, hidden, inner = (
        architecture.q_size,
        architecture.kv_size,
        architecture.hidden,
        architecture.intermediate,
    )
    layers = tuple(
        LoraLayer(
            qkv=pair(layer, "self_attn", {"q_proj": q, "k_proj": kv, "v_proj": kv}, hidden),
            output=pair(layer, "self_attn", {"o_proj": hidden}, q),
            gate_up=pair(layer, "mlp", {"gate_proj": inner, "up_proj": inner}, hidden),
            down=pair(layer, "mlp", {"down_proj": hidden}, inner),
        )
        for layer in range(architecture.layers)
    )
    if tensors:
        raise UserError(f"{folder.name} adapts {next(iter(tensors))!r}, which is not supported")
    return Adapter(rank=rank, layers=layers)


def _fuse(
    tensors: dict[str, torch.Tensor],
    module: str,
    parts: dict[str, int],
    in_features: int,
    scale: float,
) -> Pair | None:
    """Take the parts of one fused projection out of `tensors`; None if it has none of them."""
    a_parts, b_parts, offset = [], [], 0
    for name, width in parts.items():
        a = tensors.pop(f"{module}.{name}.lora_A.weight", None)
        b = tensors.pop(f"{module}.{name}.lora_B.weight", None)
        if a is not None and b is not None:
            if a.shape != (b.shape[1], in_features) or b.shape[0] != width:
                raise UserError(
                    f"the adapter's {module}.{name} maps {a.shape[1]} to {b.shape[0]} features, "
                    f"the base model's {in_features} to {width}: it was not trained on this base model"
                )
            a_parts.append(a)
            b_parts.append((offset, b))
        offset += width
    if not a_parts:
        return None
    fused = torch.zeros(sum(len(a) for a in a_parts), offset)
    row = 0
    for column, b in b_parts:
        fused[row : row + b.shape[1], column : column + b.shape[0]] = b.T * scale
        row += b.shape[1]
    return Pair(torch.cat(a_parts).T.contiguous(), fused)


def _config(folder: Path) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((folder / "adapter_config.json").read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(f"{folder.name} is not a PEFT folder: {error}") from error
    if config.get("peft_type") != "LORA":
        raise UserError(f"{folder.name} is a {config.get('peft_type')} adapter, not a LoRA adapter")
    for key in _SETTINGS_THAT_CHANGE_THE_PRODUCT:
        if config.get(key):
            raise UserError(f"{folder.name} uses {key}, which is not supported")
    if config.get("bias", "none") != "none":
        raise UserError(f"{folder.name} trains biases, which is not supported")
    return config
