"""The trainable parameters of one job, and the PEFT folder that they travel as.

All parameters are one flat vector in single precision: copying, scaling, clipping and stepping are
single operations, and the matrices are views of it.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from burnish.errors import UserError
from svc_learner.engine.base import BaseModel
from svc_learner.engine.lora import LoraLinear, Pair
from svc_learner.state import archive

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


class LoraAdapter:
    """Use it on the base model's thread only.

    Attributes:
        rank: of the matrices.
        alpha: the low-rank product is scaled by alpha / rank.
        flat: [parameters] in single precision.
        parameters: its views, by their names in a PEFT folder.
        version: grows with each change of the parameters.
    """

    def __init__(self, base: BaseModel, *, rank: int, alpha: float, seed: int) -> None:
        self._base = base
        self.rank = rank
        self.alpha = alpha
        shapes = _shapes(base.layers, rank)
        size = sum(math.prod(shape) for shape in shapes.values())
        self.flat = nn.Parameter(torch.zeros(size, device=base.device))
        self._shapes = shapes
        self.version = 0
        self.parameters = self.views(self.flat.detach())
        # What forward passes multiply by: the base's precision, cast once a step.
        exact = base.dtype == self.flat.dtype
        self._working = self.flat.detach() if exact else self.flat.detach().to(base.dtype)
        self._initialize(seed)

    def views(self, flat: Tensor) -> dict[str, Tensor]:
        """The matrices within a vector of the parameters' size."""
        pieces = torch.split(flat, [math.prod(shape) for shape in self._shapes.values()])
        named = zip(self._shapes.items(), pieces, strict=True)
        return {key: piece.view(shape) for (key, shape), piece in named}

    def pairs(self, grad: Tensor) -> tuple[Pair, ...]:
        """For a forward pass; `grad`, [parameters], is what its backward pass adds to."""
        weights = iter(self.views(self._working).values())
        grads = iter(self.views(grad).values())
        scale = self.alpha / self.rank
        return tuple(
            Pair(a, b, next(grads), next(grads), scale)
            for a, b in zip(weights, weights, strict=True)
        )

    def changed(self) -> None:
        """Call it after a change of the parameters."""
        self.version += 1
        if self._working.dtype != self.flat.dtype:
            self._working.copy_(self.flat.detach())

    def save(self) -> bytes:
        """A tar of a PEFT folder; equal weights give equal bytes."""
        tensors = {key: view.cpu().contiguous() for key, view in self.parameters.items()}
        return archive.pack(
            {
                CONFIG_FILE: json.dumps(self._config(), indent=2, sort_keys=True).encode(),
                WEIGHTS_FILE: save_tensors(tensors, metadata={"format": "pt"}),
            }
        )

    def load(self, content: bytes) -> None:
        """Take over the weights of a saved adapter of the same shape.

        Raises:
            UserError: The adapter has another shape, or belongs to another base model.
        """
        tensors = load_tensors(archive.unpack(content)[WEIGHTS_FILE])
        if {key: tuple(tensor.shape) for key, tensor in tensors.items()} != self._shapes:
            raise UserError(
                f"The adapter does not fit {self._base.name!r}: its rank or its layers differ.",
                field="lora",
            )
        copy_into(self.parameters, tensors)
        self.changed()

    def _initialize(self, seed: int) -> None:
        """A as Kaiming uniform with a = √5, B zero: the adapter starts as the identity."""
        generator = torch.Generator().manual_seed(seed)
        for key, view in self.parameters.items():
            if ".lora_A." in key:
                bound = view.shape[1] ** -0.5
                view.copy_(torch.empty(view.shape).uniform_(-bound, bound, generator=generator))
        self.changed()

    def _config(self) -> dict[str, Any]:
        return {
            "base_model_name_or_path": self._base.name,
            "bias": "none",
            "fan_in_fan_out": False,
            "inference_mode": True,
            "lora_alpha": self.alpha,
            "lora_dropout": 0.0,
            "peft_type": "LORA",
            "r": self.rank,
            "target_modules": sorted({name.rpartition(".")[2] for name in self._base.layers}),
            "task_type": "CAUSAL_LM",
        }


def copy_into(parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(tensors[key])


def _shapes(layers: Mapping[str, LoraLinear], rank: int) -> dict[str, tuple[int, int]]:
    """A and B of each layer, by PEFT's names."""

    def named() -> Iterator[tuple[str, tuple[int, int]]]:
        for name, layer in layers.items():
            prefix = f"base_model.model.{name}"
            yield f"{prefix}.lora_A.weight", (rank, layer.in_features)
            yield f"{prefix}.lora_B.weight", (layer.out_features, rank)

    return dict(named())
