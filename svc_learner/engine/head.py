"""From hidden states to log-probabilities and back, never with all logits in memory.

Logits are the largest tensor by far: [ROWS, V] of them exist at once instead of [N, V]. A loss
depends on them through the log-probabilities of N tokens alone, so the one pass that finds these
also leaves d log p / d hidden, [N, H]; whatever the loss, no logits are kept or computed again.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from svc_learner.algorithms import losses
from svc_learner.algorithms.metrics import Tally
from svc_learner.engine.batching import MicroBatch
from svc_learner.engine.lora import product
from svc_learner.engine.objective import Columns, Objective, token_losses

ROWS = 64
"""Rows of logits in memory at once, on a CPU: as many as its cache likes."""

GPU_ROWS = 512
"""On a GPU, where each chunk reads the whole output layer from its memory."""


@dataclass(frozen=True, slots=True)
class Head:
    """The output layer of a model: weight [V, H] and, rarely, bias [V]."""

    weight: Tensor
    bias: Tensor | None = None

    def logits(self, hidden: Tensor, temperature: float = 1.0) -> Tensor:
        """[n, H] → [n, V], in single precision."""
        logits = product(hidden, self.weight, self.bias).float()
        return logits if temperature == 1 else logits.div_(temperature)


def loss(
    head: Head,
    batch: MicroBatch,
    hidden: Tensor,
    objective: Objective,
    reference: Tensor | None = None,
) -> tuple[Tensor, Tally]:
    """The loss of a micro-batch, differentiable in `hidden`, and what was seen on the way.

    Args:
        head: of the model.
        batch: N completion tokens.
        hidden: [N, H], what predicts them.
        objective: what they are learned for.
        reference: [N] log-probabilities by the bare base, where the objective has a leash to it.
    """
    found, entropies = token_logprobs(head, batch, hidden, objective.temperature)
    columns = Columns.of(batch, hidden.device, reference)
    if objective.compares_sequences:
        ratios = losses.log_ratio(found.detach(), columns.behaviour)
        owner = torch.as_tensor(batch.owner, device=hidden.device)
        columns = columns.with_sequences(ratios, owner)
    tally = Tally(tokens=len(found), entropy=float(entropies.sum()))
    total = token_losses(objective, columns, found, tally).sum()
    tally.loss = float(total.detach())
    return total, tally


def token_logprobs(
    head: Head, batch: MicroBatch, hidden: Tensor, temperature: float
) -> tuple[Tensor, Tensor]:
    """[N] log-probabilities of the completion tokens, and [N] entropies in nats.

    Only the former have a gradient.
    """
    targets = torch.as_tensor(batch.targets, device=hidden.device)
    found = _TokenLogprobs.apply(hidden, head, targets, temperature)  # type: ignore[no-untyped-call]
    return cast("tuple[Tensor, Tensor]", found)


class _TokenLogprobs(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401
        hidden: Tensor,
        head: Head,
        targets: Tensor,
        temperature: float,
    ) -> tuple[Tensor, Tensor]:
        logprobs, entropies = hidden.new_empty((2, len(targets)), dtype=torch.float32)
        pull = torch.empty_like(hidden) if ctx.needs_input_grad[0] else None
        step = ROWS if hidden.device.type == "cpu" else GPU_ROWS
        for start in range(0, len(targets), step):
            rows = slice(start, start + step)
            wanted = targets[rows, None]
            logits = head.logits(hidden[rows], temperature)
            norm = logits.logsumexp(-1, keepdim=True)
            logprobs[rows] = (logits.gather(1, wanted) - norm)[:, 0]
            probabilities = (logits - norm).exp_()
            entropies[rows] = norm[:, 0] - torch.linalg.vecdot(probabilities, logits)
            if pull is not None:
                # d log p(wanted) / d logits, negated.
                probabilities.scatter_add_(1, wanted, -torch.ones_like(norm))
                pulled = product(probabilities.to(hidden.dtype), head.weight.t())
                pull[rows] = pulled.div_(-temperature)
        ctx.mark_non_differentiable(entropies)
        if pull is not None:
            ctx.save_for_backward(pull)
        return logprobs, entropies

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401
        grad: Tensor,
        _entropies: Tensor,
    ) -> tuple[Tensor, None, None, None]:
        (pull,) = ctx.saved_tensors
        return pull * grad[:, None].to(pull.dtype), None, None, None
