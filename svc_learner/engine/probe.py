"""Whether a model keeps apart what a micro-batch keeps apart.

Layers that read their input in order (recurrent or convolutional ones, attention that goes its own
way) would mix the completions of a micro-batch without a word. So each model shows, before it
trains anything, that packed rows give what separate rows give.
"""

import torch

from burnish.errors import UserError
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.types import Sample

SAMPLES = (
    Sample((3, 4, 5), (6, 7, 8, 9)),
    Sample((3, 4, 5), (10, 11, 12)),
    Sample((13, 14), (6, 7, 8)),
)

TOLERANCE = 0.1
"""Of the hidden states' norm: bfloat16 stays below a fifth of it, mixed rows are far above."""


@torch.no_grad()
def check(base: BaseModel) -> None:
    """Compare packed rows with separate ones.

    Raises:
        UserError: they differ, or nothing in the model can be trained.
    """
    if not base.layers:
        raise UserError(
            f"{base.name!r} has no linear layers that an adapter could cover.", field="base_model"
        )
    packed = pack(SAMPLES, 99)[0]
    together = base.hidden_states(packed).float()
    apart = torch.cat([base.hidden_states(pack([s], 99)[0]).float() for s in packed.samples])
    if not (together - apart).norm() <= TOLERANCE * apart.norm():
        raise UserError(
            f"The layers of {base.name!r} read one completion's tokens into the next, so it cannot "
            "be trained in packed micro-batches.",
            field="base_model",
            hint="choose a model whose layers attend, such as Llama, Qwen or Gemma",
        )
