"""A base model of which each rank holds a part.

The decoder's layers are sharded: each is gathered right before it is needed and freed right
after (FSDP2, `fully_shard`). Embeddings, norms outside of layers and the output layer stay whole on
every rank: the head reads its weight in every micro-batch, piece by piece. Adapters are no
parameters of the model, so they are never sharded.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import nn
from torch.distributed.fsdp import fully_shard
from transformers import PreTrainedModel

from burnish.errors import UserError
from svc_learner.distributed.ranks import Ranks
from svc_learner.engine.base import BaseModel, pick_dtype


class ShardedModel(BaseModel):
    """Read it on every rank, then `shard` it on all of them.

    Only passes that all ranks do at once may go through it.
    """

    def __init__(
        self,
        name: str,
        model: PreTrainedModel,
        tokenizer: Any,  # noqa: ANN401  transformers' tokenizers share no useful type
        *,
        threads: int = 1,
    ) -> None:
        super().__init__(name, model, tokenizer, threads=threads)
        self.on_close: Callable[[], None] | None = None

    @classmethod
    def read(cls, name: str, folder: Path, *, dtype: str, threads: int, ranks: Ranks) -> Self:
        """Load it into the CPU's memory, in the precision of the device that it is for.

        Raises:
            UserError: The folder holds no model that can be loaded.
        """
        precision = str(pick_dtype(dtype, ranks.device.type)).removeprefix("torch.")
        return cls.load(name, folder, device="cpu", dtype=precision, threads=threads)

    def shard(self, ranks: Ranks) -> None:
        """Keep this rank's part of each layer. Layer by layer: no rank ever holds all on a GPU.

        Raises:
            UserError: it is not known what the model's layers are.
        """
        decoder = cast("nn.Module", getattr(self.model, self.model.base_model_prefix))
        layers = _layers(self.model, decoder)
        for layer in layers:
            fully_shard(layer, mesh=ranks.mesh, reshard_after_forward=True)
        inside = {parameter for layer in layers for parameter in layer.parameters()}
        whole = {p for p in self.model.parameters() if p not in inside}
        with torch.no_grad():
            for parameter in whole:
                parameter.data = parameter.data.to(ranks.device)
        for module in self.model.modules():
            for key, buffer in module.named_buffers(recurse=False):
                setattr(module, key, buffer.to(ranks.device))
        fully_shard(decoder, mesh=ranks.mesh, ignored_params=whole)

    def close(self) -> None:
        super().close()
        if self.on_close is not None:
            self.on_close()


def _layers(model: PreTrainedModel, decoder: nn.Module) -> Sequence[nn.Module]:
    """The blocks that transformers names as those that must not be split between devices."""
    kinds = set(model._no_split_modules or ())  # noqa: SLF001  the only place that names them
    layers = [module for module in decoder.modules() if type(module).__name__ in kinds]
    if not layers:
        raise UserError(
            f"{type(model).__name__} does not say what its layers are, so it cannot be sharded.",
            field="base_model",
            hint="train it on one device",
        )
    return layers
