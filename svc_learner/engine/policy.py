"""The policy of one job: its adapter, its gradients, its optimizer.

Gradients add up over micro-batches in named sums ("rl", "sft"), undivided; `step` divides and mixes
them once. So a batch may be learned from while it is still being sampled, and mixing supervised rows
in never dilutes the rest.

All methods block, and belong on the base model's thread.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeAlias

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from burnish.errors import UserError
from svc_learner.algorithms.metrics import Tally
from svc_learner.engine import head
from svc_learner.engine.adapter import LoraAdapter
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import MicroBatch, join
from svc_learner.engine.lora import Run
from svc_learner.engine.objective import Objective

MOMENTS = frozenset({"exp_avg", "exp_avg_sq"})

BETAS = (0.9, 0.95)
"""A stage has tens of steps: the second moment must forget within that horizon."""


class Policy:
    """Use `start_stage` before the first `step`."""

    def __init__(self, base: BaseModel, *, rank: int, alpha: float, seed: int) -> None:
        self.base = base
        self.adapter = LoraAdapter(base, rank=rank, alpha=alpha, seed=seed)
        self._sums: dict[str, Tensor] = {}
        self._optimizer: torch.optim.AdamW | None = None
        self._learning_rate = self._max_grad_norm = 0.0

    def start_stage(self, learning_rate: float, max_grad_norm: float = 1.0) -> None:
        """A fresh optimizer: the moments of another loss would only mislead."""
        self.drop_gradients()
        self._learning_rate, self._max_grad_norm = learning_rate, max_grad_norm
        self._optimizer = torch.optim.AdamW(
            [self.adapter.flat], lr=learning_rate, betas=BETAS, weight_decay=0.0, fused=True
        )

    def drop_gradients(self) -> None:
        self._sums.clear()

    def accumulate(self, batch: MicroBatch, objective: Objective) -> Tally:
        """Add a micro-batch's gradients to the objective's sum, each sample times its weight."""
        return accumulate_many([(self, batch, objective)])[0]

    def add(self, name: str, gradient: Tensor) -> None:
        """Add a gradient of all parameters, [parameters], to a sum."""
        if name in self._sums:
            self._sums[name].add_(gradient)
        else:
            self._sums[name] = gradient

    def logprobs(
        self, batch: MicroBatch, *, temperature: float = 1.0, base: bool = False
    ) -> Tensor:
        """[N] log-probabilities of the completion tokens, by the adapter or by the bare base."""
        pairs = self.adapter.pairs(torch.empty_like(self.adapter.flat))
        runs = [] if base else [Run(0, len(batch.tokens), pairs)]
        with torch.no_grad():
            hidden = self.base.hidden_states(batch, runs)
            return head.token_logprobs(self.base.head, batch, hidden, temperature)[0]

    def step(self, shares: Mapping[str, float], rate: float = 1.0) -> float:
        """One optimizer step along the sum of `shares[name]` times each named gradient sum.

        Args:
            shares: of the sums in the gradient.
            rate: what the schedule multiplies the stage's learning rate by.

        Returns:
            The gradient's norm before clipping.

        Raises:
            UserError: The gradient is not finite; the parameters are unchanged.
        """
        if self._optimizer is None:
            raise RuntimeError("start_stage comes first")
        flat = self.adapter.flat
        flat.grad = torch.zeros_like(flat)
        for name, share in shares.items():
            if name in self._sums:
                flat.grad.add_(self._sums[name], alpha=share)
        norm = torch.nn.utils.clip_grad_norm_([flat], self._max_grad_norm)
        if torch.isfinite(norm):
            self._optimizer.param_groups[0]["lr"] = rate * self._learning_rate
            self._optimizer.step()
            self.adapter.changed()
        flat.grad = None
        self.drop_gradients()
        if not torch.isfinite(norm):
            raise UserError(
                "The gradient is not finite, so training cannot go on.",
                field="learning_rate",
                hint="start again with a lower learning rate",
            )
        return float(norm)

    def optimizer_state(self) -> bytes:
        """The optimizer's moments, by parameter name, and its step, as safetensors."""
        if self._optimizer is None:
            return save_tensors({})
        state = self._optimizer.state.get(self.adapter.flat, {})
        tensors = {field: state[field].cpu() for field in ("step",) if field in state}
        for field in MOMENTS.intersection(state):
            for key, view in self.adapter.views(state[field]).items():
                tensors[f"{field}/{key}"] = view.cpu().contiguous()
        return save_tensors(tensors)

    def load_optimizer_state(self, content: bytes) -> None:
        """Continue where `optimizer_state` was taken; call `start_stage` first."""
        if self._optimizer is None:
            raise RuntimeError("start_stage comes first")
        tensors = load_tensors(content)
        if "step" not in tensors:
            return
        flat = self.adapter.flat
        state = {"step": tensors["step"].to(flat.device)}
        for field in MOMENTS:
            state[field] = torch.empty_like(flat)
            for key, view in self.adapter.views(state[field]).items():
                view.copy_(tensors[f"{field}/{key}"])
        self._optimizer.state[flat] = state


Work: TypeAlias = tuple[Policy, MicroBatch, Objective]
"""A micro-batch, whose it is, and what it is learned for."""


def accumulate_many(parts: Sequence[Work]) -> list[Tally]:
    """Learn from micro-batches of several jobs on one base, in one pass through its layers.

    Each part's gradient equals that of its own `Policy.accumulate`, up to the order of sums within
    a matrix product. When this fails, nobody's gradients have changed.
    """
    found = gradients(parts)
    for (policy, _, objective), (_, gradient) in zip(parts, found, strict=True):
        policy.add(objective.sum_name, gradient)
    return [tally for tally, _ in found]


def gradients(parts: Sequence[Work]) -> list[tuple[Tally, Tensor]]:
    """What `accumulate_many` adds, [parameters] for each part, not yet added."""
    base = parts[0][0].base
    references = _references(parts)
    grads = [torch.zeros_like(policy.adapter.flat) for policy, _, _ in parts]
    pairs = [p.adapter.pairs(grad) for (p, _, _), grad in zip(parts, grads, strict=True)]
    batches = [batch for _, batch, _ in parts]
    ends = accumulate(len(batch.tokens) for batch in batches)
    runs = [
        Run(end - len(b.tokens), end, p) for end, b, p in zip(ends, batches, pairs, strict=True)
    ]
    hidden = _split(base.hidden_states(join(batches), runs), batches)
    found = [
        head.loss(base.head, batch, own, objective, reference)
        for (_, batch, objective), own, reference in zip(parts, hidden, references, strict=True)
    ]
    torch.autograd.backward([loss for loss, _ in found])
    return [(tally, grad) for (_, tally), grad in zip(found, grads, strict=True)]


def _references(parts: Sequence[Work]) -> list[Tensor | None]:
    """Log-probabilities by the bare base, where an objective has a leash to it."""
    leashed = [part for part in parts if part[2].kl_weight]
    if not leashed:
        return [None] * len(parts)
    base, batches = parts[0][0].base, [batch for _, batch, _ in leashed]
    with torch.no_grad():
        hidden = _split(base.hidden_states(join(batches)), batches)
        found = iter(
            [
                head.token_logprobs(base.head, batch, own, objective.temperature)[0]
                for (_, batch, objective), own in zip(leashed, hidden, strict=True)
            ]
        )
    return [next(found) if objective.kl_weight else None for _, _, objective in parts]


def _split(hidden: Tensor, batches: Sequence[MicroBatch]) -> Sequence[Tensor]:
    return torch.split(hidden, [len(batch.targets) for batch in batches])
