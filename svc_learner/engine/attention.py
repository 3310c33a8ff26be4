"""The attention of a packed micro-batch, where transformers' models look for theirs.

Any decoder that goes through transformers' attention interface can be trained.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AttentionInterface, PreTrainedModel

from burnish.errors import UserError
from svc_learner.engine import tiles
from svc_learner.engine.parts import Attending, Part, visible

NAME = "burnish_parts"
"""Among transformers' attention functions."""

VARIANTS = ("softcap", "s_aux", "position_bias")
"""What a model may ask of its attention, and this one does not compute."""

_PARTS: ContextVar[Sequence[Part]] = ContextVar("parts")


@contextmanager
def attending(parts: Sequence[Part]) -> Iterator[None]:
    """Within it, the model's layers attend by these parts."""
    token = _PARTS.set(parts)
    try:
        yield
    finally:
        _PARTS.reset(token)


def current_parts() -> Sequence[Part]:
    return _PARTS.get()


def install(model: PreTrainedModel) -> None:
    """Have all layers of a model attend here.

    Raises:
        UserError: its attention does not go through transformers' interface.
    """
    model.set_attn_implementation(NAME)
    if model.config._attn_implementation != NAME:  # noqa: SLF001  the setter only logs it
        raise UserError(
            f"{type(model).__name__} attends in a way of its own, which training cannot pack.",
            field="base_model",
        )


def interface(  # noqa: PLR0917  (transformers')
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    _mask: Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **variant: Any,  # noqa: ANN401
) -> tuple[Tensor, None]:
    """[1, heads, T, D] → [1, T, heads, D].

    Raises:
        UserError: the model asks for something that is not computed here.
    """
    for name in VARIANTS:
        if variant.get(name) is not None:
            raise UserError(
                f"{type(module).__name__} attends with `{name}`, which training does not compute.",
                field="base_model",
            )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    attend = tiles.attend if q.device.type == "cpu" else fused
    return attend(q, k, v, Attending(current_parts(), scale, sliding_window))[None], None


def fused(query: Tensor, key: Tensor, value: Tensor, how: Attending) -> Tensor:
    """By torch's fused kernels, which are the fastest on a GPU. [T, heads, D] → the same."""
    mixed = [
        part.unpad(
            functional.scaled_dot_product_attention(
                part.pad(query).transpose(1, 2),
                part.continued(key).transpose(1, 2),
                part.continued(value).transpose(1, 2),
                attn_mask=visible(part.offset, 0, part.length, how.window, query.device),
                scale=how.scale,
                enable_gqa=query.shape[1] != key.shape[1],
            ).transpose(1, 2)
        )
        for part in how.parts
    ]
    rows = torch.cat([part.rows for part in how.parts])
    return torch.empty_like(query).index_copy(0, rows, torch.cat(mixed))


AttentionInterface.register(NAME, interface)
