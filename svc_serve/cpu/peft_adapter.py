"""Reads a PEFT folder into the form that the engine multiplies."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from burnish.errors import UserError
from svc_serve.cpu.architecture import Architecture
from svc_serve.cpu.lora import Adapter, LoraLayer, Pair

_PREFIX = "base_model.model.model.layers."
_SETTINGS_THAT_CHANGE_THE_PRODUCT = (
    "use_dora",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "lora_bias",
    "layer_replication",
)


def read(
    folder: Path,
    architecture: Architecture,
    *,
    max_rank: int,
    dtype: torch.dtype,
    device: torch.device,
) -> Adapter:
    """Read an adapter.

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
    tensors = Tensors.load(folder, scale=scale, dtype=dtype, device=device)
    layers = tuple(_layer(tensors, number, architecture) for number in range(architecture.layers))
    if tensors.left:
        raise UserError(
            f"{folder.name} adapts {next(iter(tensors.left))!r}, which is not supported"
        )
    return Adapter(rank=rank, layers=layers)


def _layer(tensors: "Tensors", number: int, shape: Architecture) -> LoraLayer:
    attention, mlp = f"{number}.self_attn", f"{number}.mlp"
    q, kv, hidden, inner = shape.q_size, shape.kv_size, shape.hidden, shape.intermediate
    return LoraLayer(
        qkv=tensors.take(attention, {"q_proj": q, "k_proj": kv, "v_proj": kv}, hidden),
        output=tensors.take(attention, {"o_proj": hidden}, q),
        gate_up=tensors.take(mlp, {"gate_proj": inner, "up_proj": inner}, hidden),
        down=tensors.take(mlp, {"down_proj": hidden}, inner),
    )


@dataclass(slots=True)
class Tensors:
    """The tensors of an adapter that no projection has taken yet."""

    left: dict[str, torch.Tensor]
    scale: float
    dtype: torch.dtype
    device: torch.device

    @classmethod
    def load(
        cls, folder: Path, *, scale: float, dtype: torch.dtype, device: torch.device
    ) -> "Tensors":
        found = load_file(folder / "adapter_model.safetensors")
        left = {name.removeprefix(_PREFIX): tensor for name, tensor in found.items()}
        return cls(left, scale, dtype, device)

    def take(self, module: str, widths: dict[str, int], in_features: int) -> Pair | None:
        """The pair of one fused projection; None where the adapter leaves all of it alone.

        Raises:
            UserError: The adapter was trained on other shapes.
        """
        found = [
            self._matrices(f"{module}.{name}", in_features, width)
            or (torch.empty(0, in_features), torch.empty(width, 0))
            for name, width in widths.items()
        ]
        a = torch.cat([a for a, _ in found])
        if not len(a):
            return None
        b = torch.block_diag(*(b.float() * self.scale for _, b in found))  # type: ignore[no-untyped-call]
        return Pair(self._stored(a.T), self._stored(b.T))

    def _matrices(
        self, module: str, in_features: int, width: int
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """A [rank, in] and B [out, rank] of one projection."""
        a = self.left.pop(f"{module}.lora_A.weight", None)
        b = self.left.pop(f"{module}.lora_B.weight", None)
        if a is None or b is None:
            return None
        if a.shape != (b.shape[1], in_features) or b.shape[0] != width:
            raise UserError(
                f"the adapter's {module} maps {a.shape[1]} to {b.shape[0]} features, the base "
                f"model's {in_features} to {width}: it was not trained on this base model"
            )
        return a, b

    def _stored(self, matrix: torch.Tensor) -> torch.Tensor:
        return matrix.to(device=self.device, dtype=self.dtype).contiguous()


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
