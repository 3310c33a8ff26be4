"""A base model's weights, read from safetensors, with the projections that share an input fused."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from burnish.errors import SetupError
from svc_serve.cpu.architecture import Architecture
from svc_serve.cpu.linear import Linear

Read = Callable[[str], torch.Tensor]


@dataclass(frozen=True, slots=True)
class Layer:
    """One decoder layer. `qkv` and `gate_up` are projections of one input, stacked."""

    attention_norm: torch.Tensor
    qkv: Linear
    q_norm: torch.Tensor | None
    k_norm: torch.Tensor | None
    output: Linear
    mlp_norm: torch.Tensor
    gate_up: Linear
    down: Linear


@dataclass(frozen=True, slots=True)
class Weights:
    """All weights of a decoder, on one device, in one dtype."""

    embedding: torch.Tensor
    layers: tuple[Layer, ...]
    norm: torch.Tensor
    head: Linear


class Checkpoint:
    """The tensors of a model folder by name, over all its safetensors files."""

    def __init__(self, folder: Path) -> None:
        """Open `folder`.

        Raises:
            SetupError: It holds no safetensors.
        """
        index = folder / "model.safetensors.index.json"
        names = (
            sorted(set(json.loads(index.read_text())["weight_map"].values()))
            if index.exists()
            else ["model.safetensors"]
        )
        self._file_of: dict[str, Path] = {}
        for path in (folder / name for name in names):
            if not path.exists():
                raise SetupError(f"{path} is missing: the model folder is incomplete.")
            with safe_open(path, framework="pt") as file:
                self._file_of.update(dict.fromkeys(file.keys(), path))

    def __contains__(self, name: str) -> bool:
        return name in self._file_of

    def read(self, name: str) -> torch.Tensor:
        """One tensor.

        Raises:
            SetupError: The checkpoint lacks it.
        """
        if name not in self._file_of:
            raise SetupError(f"the checkpoint has no tensor {name!r}.")
        with safe_open(self._file_of[name], framework="pt") as file:
            tensor: torch.Tensor = file.get_tensor(name)
        return tensor


def load(
    folder: Path, architecture: Architecture, *, dtype: torch.dtype, device: torch.device
) -> Weights:
    """Read, convert, fuse and pack the weights.

    Raises:
        SetupError: A tensor is missing.
    """
    checkpoint = Checkpoint(folder)

    def read(name: str) -> torch.Tensor:
        return checkpoint.read(name).to(device=device, dtype=dtype)

    def fused(prefix: str, *names: str) -> Linear:
        weight = torch.cat([read(f"{prefix}.{name}.weight") for name in names])
        has_bias = f"{prefix}.{names[0]}.bias" in checkpoint
        bias = torch.cat([read(f"{prefix}.{name}.bias") for name in names]) if has_bias else None
        return Linear(weight, bias)

    def optional(name: str) -> torch.Tensor | None:
        return read(name) if name in checkpoint else None

    def layer(prefix: str) -> Layer:
        attention = f"{prefix}.self_attn"
        return Layer(
            attention_norm=read(f"{prefix}.input_layernorm.weight"),
            qkv=fused(attention, "q_proj", "k_proj", "v_proj"),
            q_norm=optional(f"{attention}.q_norm.weight"),
            k_norm=optional(f"{attention}.k_norm.weight"),
            output=fused(attention, "o_proj"),
            mlp_norm=read(f"{prefix}.post_attention_layernorm.weight"),
            gate_up=fused(f"{prefix}.mlp", "gate_proj", "up_proj"),
            down=fused(f"{prefix}.mlp", "down_proj"),
        )

    embedding = read("model.embed_tokens.weight")
    return Weights(
        embedding=embedding,
        layers=tuple(layer(f"model.layers.{number}") for number in range(architecture.layers)),
        norm=read("model.norm.weight"),
        head=Linear(embedding if architecture.tied_embeddings else read("lm_head.weight")),
    )
