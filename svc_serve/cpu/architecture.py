"""The decoder architectures that this engine runs, read from `config.json`."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from burnish.errors import SetupError

SUPPORTED = {
    "LlamaForCausalLM": "llama",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
}


@dataclass(frozen=True, slots=True)
class Architecture:
    """Shapes and constants of a decoder with grouped-query attention, RoPE and SwiGLU."""

    kind: str
    vocab_size: int
    hidden: int
    intermediate: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    norm_eps: float
    rope_theta: float
    max_context: int
    tied_embeddings: bool
    eos_token_ids: frozenset[int]

    @property
    def queries_per_kv(self) -> int:
        return self.heads // self.kv_heads

    @property
    def q_size(self) -> int:
        return self.heads * self.head_dim

    @property
    def kv_size(self) -> int:
        return self.kv_heads * self.head_dim


def read(folder: Path) -> Architecture:
    """The architecture of a Hugging Face model folder.

    Raises:
        SetupError: This engine does not run that model; the message says what it runs.
    """
    config = _json(folder / "config.json")
    names = config.get("architectures") or ["(none)"]
    kind = SUPPORTED.get(names[0])
    if kind is None:
        raise SetupError(
            f"{folder.name} is a {names[0]}, which the built-in engine does not run: it runs "
            f"{', '.join(SUPPORTED)}. Use one of these, or BURNISH_SERVE_ENGINE=vllm."
        )
    _refuse_variants(folder.name, config)
    heads = int(config["num_attention_heads"])
    return Architecture(
        kind=kind,
        vocab_size=int(config["vocab_size"]),
        hidden=int(config["hidden_size"]),
        intermediate=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        heads=heads,
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or config["hidden_size"] // heads),
        norm_eps=float(config["rms_norm_eps"]),
        rope_theta=float(_rope(config).get("rope_theta", 10_000.0)),
        max_context=int(config["max_position_embeddings"]),
        tied_embeddings=bool(config.get("tie_word_embeddings", False)),
        eos_token_ids=_eos(folder, config),
    )


def rope_table(architecture: Architecture, positions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines of rotary embeddings (arXiv:2104.09864), each [positions, head_dim]."""
    dims = torch.arange(0, architecture.head_dim, 2, dtype=torch.float32)
    inverse = 1.0 / (architecture.rope_theta ** (dims / architecture.head_dim))
    angles = torch.outer(torch.arange(positions, dtype=torch.float32), inverse)
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos(), angles.sin()


def _refuse_variants(name: str, config: dict[str, Any]) -> None:
    """What the supported architectures may also carry, and this engine does not compute."""
    rope_type = _rope(config).get("rope_type") or _rope(config).get("type") or "default"
    variants = {
        f"RoPE scaling {rope_type!r}": rope_type != "default",
        "sliding-window attention": bool(config.get("use_sliding_window")),
        f"activation {config.get('hidden_act')!r}": config.get("hidden_act", "silu") != "silu",
        "quantized weights": "quantization_config" in config,
    }
    for variant, present in variants.items():
        if present:
            raise SetupError(
                f"{name} uses {variant}, which the built-in engine does not compute: use another "
                "base model, or BURNISH_SERVE_ENGINE=vllm."
            )


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    """RoPE parameters: a mapping in newer configurations, flat keys in older ones."""
    flat = {"rope_theta": config["rope_theta"]} if "rope_theta" in config else {}
    return {
        **flat,
        **(config.get("rope_scaling") or {}),
        **(config.get("rope_parameters") or {}),
    }


def _eos(folder: Path, config: dict[str, Any]) -> frozenset[int]:
    path = folder / "generation_config.json"
    generation = _json(path) if path.exists() else {}
    ids = generation.get("eos_token_id", config.get("eos_token_id"))
    if ids is None:
        return frozenset()
    return frozenset(ids if isinstance(ids, list) else [ids])


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise SetupError(f"{path} cannot be read as a model's configuration: {error}.") from error
    if not isinstance(value, dict):
        raise SetupError(f"{path} is not a JSON object.")
    return value
