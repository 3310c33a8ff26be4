"""Gradient checkpointing (arXiv:1604.06174): a layer's insides are computed again when needed.

A pass then keeps one hidden state for each layer, at the price of a second forward pass. The second
one routes rows and attends exactly as the first did, whatever goes on by then.
"""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from svc_learner.engine import attention, lora


def checkpoint_layers(model: nn.Module) -> int:
    """Checkpoint each decoder layer of a model.

    Returns:
        How many there are.
    """
    layers = [each for each in model.modules() if isinstance(each, GradientCheckpointingLayer)]
    for layer in layers:
        layer.forward = _checkpointed(layer.forward)
    return len(layers)


def _checkpointed(forward: Callable[..., Any]) -> Callable[..., Any]:
    def outer(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        runs, parts = lora.current_runs(), attention.current_parts()

        def inner(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
            with lora.routed(runs), attention.attending(parts):
                return forward(*args, **kwargs)

        return checkpoint(inner, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    return outer
