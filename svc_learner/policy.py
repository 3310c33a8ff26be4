"""The policy of one job: its adapter, its gradients, its optimizer.

Gradients add up over micro-batches in named sums ("rl", "sft"), undivided; `step` divides and mixes
them once. So a batch may be learned from while it is still being sampled, and mixing supervised rows
in never dilutes the rest.

All methods block, and belong on the base model's thread.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from burnish.errors import UserError
from svc_learner import losses
from svc_learner.adapter import LoraAdapter
from svc_learner.base import BaseModel
from svc_learner.batching import MicroBatch
from svc_learner.losses import LossConfig
from svc_learner.metrics import Tally

MAX_GRAD_NORM = 1.0
BETAS = (0.9, 0.95)
"""A stage has tens of steps: the second moment must forget within that horizon."""

HEAD_ROWS = 256
"""Rows of logits in memory at once: [256, V] instead of [T, V]."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What a micro-batch is learned for.

    Attributes:
        sum_name: the gradient sum that it goes to.
        loss: the policy-gradient loss; None is cross-entropy.
        temperature: of the sampler: the ratio compares the distributions that really sampled.
    """

    sum_name: str
    loss: LossConfig | None = None
    temperature: float = 1.0

    @property
    def kl_weight(self) -> float:
        return self.loss.kl_weight if self.loss else 0.0


class Policy:
    """Use `start_stage` before the first `step`."""

    def __init__(self, base: BaseModel, name: str, *, rank: int, alpha: float, seed: int) -> None:
        self._base = base
        self.adapter = LoraAdapter(base, name, rank=rank, alpha=alpha, seed=seed)
        self._sums: dict[str, list[Tensor]] = {}
        self._optimizer: torch.optim.AdamW | None = None

    def start_stage(self, learning_rate: float) -> None:
        """A fresh optimizer: the moments of another loss would only mislead."""
        self.drop_gradients()
        self._optimizer = torch.optim.AdamW(
            list(self.adapter.parameters.values()),
            lr=learning_rate,
            betas=BETAS,
            weight_decay=0.0,
            foreach=False,
        )

    def drop_gradients(self) -> None:
        self._sums.clear()

    def accumulate(self, batch: MicroBatch, objective: Objective) -> Tally:
        """Add a micro-batch's gradients to the objective's sum, each sample times its weight."""
        self.adapter.activate()
        reference = self._reference(batch, objective) if objective.kl_weight else None
        hidden = self._base.hidden_states(batch)
        # Logits are the largest tensor by far: their gradient is taken piece by piece, down to the
        # hidden states, and goes through the layers once.
        leaf = hidden.detach().requires_grad_()
        tally = Tally()
        for rows in _chunks(len(batch.targets)):
            tally.add(self._head(batch, leaf, rows, objective, reference))
        hidden.backward(leaf.grad)  # type: ignore[no-untyped-call]
        self._bank(objective.sum_name)
        return tally

    def logprobs(
        self, batch: MicroBatch, *, temperature: float = 1.0, base: bool = False
    ) -> Tensor:
        """[N] log-probabilities of the completion tokens, by the adapter or by the bare base."""
        self.adapter.activate()
        with torch.no_grad(), self.adapter.disabled() if base else nullcontext():
            hidden = self._base.hidden_states(batch)
            targets = self._tensor(batch.targets)
            found = [
                _select(self._base.logits(hidden[rows]) / temperature, targets[rows])
                for rows in _chunks(len(batch.targets))
            ]
        return torch.cat(found)

    def step(self, shares: Mapping[str, float]) -> float:
        """One optimizer step along the sum of `shares[name]` times each named gradient sum.

        Returns:
            The gradient's norm before clipping.

        Raises:
            UserError: The gradient is not finite; the parameters are unchanged.
        """
        if self._optimizer is None:
            raise RuntimeError("start_stage comes first")
        parameters = list(self.adapter.parameters.values())
        for index, parameter in enumerate(parameters):
            parameter.grad = torch.zeros_like(parameter)
            for name, share in shares.items():
                if name in self._sums:
                    parameter.grad.add_(self._sums[name][index], alpha=share)
        norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRAD_NORM)
        if torch.isfinite(norm):
            self._optimizer.step()
        for parameter in parameters:
            parameter.grad = None
        self.drop_gradients()
        if not torch.isfinite(norm):
            raise UserError(
                "The gradient is not finite, so training cannot go on.",
                field="learning_rate",
                hint="start again with a lower learning rate",
            )
        return float(norm)

    def optimizer_state(self) -> bytes:
        """The optimizer's tensors, by parameter name, as safetensors."""
        if self._optimizer is None:
            return save_tensors({})
        state = self._optimizer.state
        return save_tensors(
            {
                f"{field}/{key}": tensor.detach().cpu().contiguous()
                for key, parameter in self.adapter.parameters.items()
                for field, tensor in state.get(parameter, {}).items()
            }
        )

    def load_optimizer_state(self, content: bytes) -> None:
        """Continue where `optimizer_state` was taken; call `start_stage` first."""
        if self._optimizer is None:
            raise RuntimeError("start_stage comes first")
        tensors = load_tensors(content)
        for key, parameter in self.adapter.parameters.items():
            fields = {name.partition("/")[0] for name in tensors if name.endswith(f"/{key}")}
            self._optimizer.state[parameter] = {
                field: _placed(tensors[f"{field}/{key}"], parameter, field) for field in fields
            }

    def _head(
        self,
        batch: MicroBatch,
        leaf: Tensor,
        rows: slice,
        objective: Objective,
        reference: Tensor | None,
    ) -> Tally:
        """Loss and gradient, down to the hidden states, of some of the completion tokens."""
        logits = self._base.logits(leaf[rows]) / objective.temperature
        logprobs = _select(logits, self._tensor(batch.targets)[rows])
        weights = self._tensor(batch.spread(s.weight for s in batch.samples))[rows]
        tally = Tally(tokens=len(logprobs), entropy=_entropy(logits))
        if objective.loss is None:
            token_loss = losses.cross_entropy(logprobs)
        else:
            token_loss = self._policy_loss(batch, rows, logprobs, objective.loss, tally)
        if reference is not None:
            penalty = losses.k3(logprobs, reference[rows])
            token_loss = token_loss + objective.kl_weight * penalty
            tally.kl = float(penalty.detach().sum())
        total = (weights * token_loss).sum()
        total.backward()  # type: ignore[no-untyped-call]
        tally.loss = float(total.detach())
        return tally

    def _policy_loss(
        self, batch: MicroBatch, rows: slice, logprobs: Tensor, loss: LossConfig, tally: Tally
    ) -> Tensor:
        behaviour = self._tensor(batch.behaviour())[rows]
        advantages = self._tensor(batch.spread(s.advantage for s in batch.samples))[rows]
        fresh = self._tensor(batch.spread(float(s.staleness == 0) for s in batch.samples))[rows]
        found = losses.policy_loss(logprobs, behaviour, advantages, loss)
        gap = losses.k3(behaviour.nan_to_num(), logprobs.detach()) * behaviour.isfinite()
        tally.ratio, tally.clipped = float(found.ratio.sum()), float(found.clipped.sum())
        tally.ratio_min, tally.ratio_max = float(found.ratio.min()), float(found.ratio.max())
        tally.behaviour, tally.mismatch = float(gap.sum()), float((gap * fresh).sum())
        tally.fresh_tokens = int(fresh.sum())
        return found.loss

    def _reference(self, batch: MicroBatch, objective: Objective) -> Tensor:
        return self.logprobs(batch, temperature=objective.temperature, base=True)

    def _bank(self, name: str) -> None:
        """Move the gradients of one backward pass to their sum."""
        parameters = self.adapter.parameters.values()
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        held = self._sums.setdefault(name, grads)
        if held is not grads:
            for total, grad in zip(held, grads, strict=True):
                total.add_(grad)
        for parameter in parameters:
            parameter.grad = None

    def _tensor(self, array: object) -> Tensor:
        return torch.as_tensor(array, device=self._base.device)


def _chunks(length: int) -> list[slice]:
    return [slice(start, start + HEAD_ROWS) for start in range(0, length, HEAD_ROWS)]


def _select(logits: Tensor, targets: Tensor) -> Tensor:
    """[N, V], [N] → [N] log-probabilities of the targets."""
    return logits.gather(1, targets[:, None])[:, 0] - logits.logsumexp(-1)


def _entropy(logits: Tensor) -> float:
    """Sum over the rows of the entropy in nats."""
    with torch.no_grad():
        logprobs = logits.log_softmax(-1)
        return float(-(logprobs.exp() * logprobs).sum())


def _placed(tensor: Tensor, parameter: Tensor, field: str) -> Tensor:
    return tensor if field == "step" else tensor.to(parameter.device)
