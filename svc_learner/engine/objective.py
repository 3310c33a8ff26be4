"""What a micro-batch is learned for: from log-probabilities to the loss of each token."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from svc_learner.algorithms import losses
from svc_learner.algorithms.losses import LossConfig
from svc_learner.algorithms.metrics import Tally
from svc_learner.engine.batching import MicroBatch


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

    @property
    def compares_sequences(self) -> bool:
        return self.loss is not None and self.loss.compares_sequences


@dataclass(frozen=True, slots=True)
class Columns:
    """What is known of each completion token of a micro-batch before it is learned from: all [N].

    Attributes:
        weights: by which token losses are multiplied.
        behaviour: log mu, NaN where the sampler gave none.
        advantages: of the token's completion.
        fresh: whether the present policy itself sampled it.
        reference: log-probabilities by the bare base, where the objective has a leash to it.
        sequence: mean log-ratio of the token's completion, where the loss compares sequences.
    """

    weights: Tensor
    behaviour: Tensor
    advantages: Tensor
    fresh: Tensor
    reference: Tensor | None = None
    sequence: Tensor | None = None

    @classmethod
    def of(cls, batch: MicroBatch, device: torch.device, reference: Tensor | None) -> Self:
        members = batch.samples
        return cls(
            weights=torch.as_tensor(batch.spread(s.weight for s in members), device=device),
            behaviour=torch.as_tensor(batch.behaviour(), device=device),
            advantages=torch.as_tensor(batch.spread(s.advantage for s in members), device=device),
            fresh=torch.as_tensor(batch.spread(s.staleness == 0 for s in members), device=device),
            reference=reference,
        )

    def with_sequences(self, log_ratios: Tensor, owner: Tensor) -> "Columns":
        """Give each token the mean of `log_ratios` over its completion; `owner` numbers those."""
        return replace(self, sequence=losses.sequence_mean(log_ratios, owner))


def token_losses(objective: Objective, columns: Columns, logprobs: Tensor, tally: Tally) -> Tensor:
    """[N] weighted losses of the tokens whose columns and log-probabilities these are.

    What was seen on the way goes to the tally.
    """
    if objective.loss is None:
        token_loss = losses.cross_entropy(logprobs)
    else:
        token_loss = _policy_loss(objective.loss, columns, logprobs, tally)
    if columns.reference is not None:
        penalty = losses.k3(logprobs, columns.reference)
        token_loss = token_loss + objective.kl_weight * penalty
        tally.kl = float(penalty.detach().sum())
    return columns.weights * token_loss


def _policy_loss(loss: LossConfig, columns: Columns, logprobs: Tensor, tally: Tally) -> Tensor:
    behaviour = columns.behaviour
    found = losses.policy_loss(logprobs, behaviour, columns.advantages, loss, columns.sequence)
    gap = losses.k3(behaviour.nan_to_num(), logprobs.detach()) * behaviour.isfinite()
    ratio, fresh = found.ratio, columns.fresh
    seen = {
        "ratio": ratio.sum(),
        "ratio_squared": (ratio**2).sum(),
        "ratio_min": ratio.min(),
        "ratio_max": ratio.max(),
        "clipped": found.clipped.sum(),
        "corrected": found.corrected.sum(),
        "behaviour": gap.sum(),
        "mismatch": (gap * fresh).sum(),
        "fresh_tokens": fresh.sum(),
    }
    # One wait for the device, not one for each number.
    numbers = torch.stack([value.to(ratio.dtype) for value in seen.values()]).tolist()
    for name, number in zip(seen, numbers, strict=True):
        setattr(tally, name, number)
    tally.fresh_tokens = int(tally.fresh_tokens)
    return found.loss
