"""LoRA weights on a shared base, and the PEFT folder that they travel as."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from burnish.errors import UserError
from svc_learner import archive
from svc_learner.base import BaseModel

CONFIG_FILE = "adapter_config.json"
WEIGHTS_FILE = "adapter_model.safetensors"


class LoraAdapter:
    """The trainable parameters of one job. Use it on the base model's thread only."""

    def __init__(self, base: BaseModel, name: str, *, rank: int, alpha: float, seed: int) -> None:
        self._base = base
        self._name = name
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,  # type: ignore[arg-type]  # any number scales
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._model = _attach(base, name, config)
        self.activate()
        self.parameters: dict[str, nn.Parameter] = {
            key.replace(f".{name}.", "."): parameter
            for key, parameter in self._model.named_parameters()
            if f".{name}." in key
        }

    def activate(self) -> None:
        """From now on the base answers with this adapter, and only it collects gradients."""
        if self._model.active_adapter != self._name:
            self._model.set_adapter(self._name)

    def disabled(self) -> Any:  # noqa: ANN401
        """A context in which the base answers as if it had no adapter."""
        return self._model.disable_adapter()

    def remove(self) -> None:
        """Free the weights."""
        others = [name for name in self._model.peft_config if name != self._name]
        if others:
            self._model.set_adapter(others[0])
            self._model.delete_adapter(self._name)
        else:
            self._model.unload()
            self._base.peft = None

    def save(self) -> bytes:
        """A tar of a PEFT folder; equal weights give equal bytes."""
        return archive.pack(
            {
                CONFIG_FILE: json.dumps(self._config(), indent=2, sort_keys=True).encode(),
                WEIGHTS_FILE: save_tensors(self._tensors(), metadata={"format": "pt"}),
            }
        )

    def load(self, content: bytes) -> None:
        """Take over the weights of a saved adapter of the same shape.

        Raises:
            UserError: The adapter has another shape, or belongs to another base model.
        """
        tensors = load_tensors(archive.unpack(content)[WEIGHTS_FILE])
        mine = {key: tuple(parameter.shape) for key, parameter in self.parameters.items()}
        theirs = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        if mine != theirs:
            raise UserError(
                f"The adapter does not fit {self._base.name!r}: its rank or its layers differ.",
                field="lora",
            )
        copy_into(self.parameters, tensors)

    def _tensors(self) -> dict[str, Tensor]:
        return {
            key: parameter.detach().to("cpu", torch.float32).contiguous()
            for key, parameter in self.parameters.items()
        }

    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = self._model.peft_config[self._name].to_dict()
        config["target_modules"] = sorted(config["target_modules"])
        config["base_model_name_or_path"] = self._base.name
        config["inference_mode"] = True
        return config


def copy_into(parameters: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for key, parameter in parameters.items():
            parameter.copy_(tensors[key])


def _attach(base: BaseModel, name: str, config: LoraConfig) -> PeftModel:
    """Wrap the base for its first adapter, add to the wrapper later."""
    if base.peft is None:
        base.peft = get_peft_model(base.model, config, adapter_name=name)
    else:
        base.peft.add_adapter(name, config)
    return base.peft
