"""Policy-gradient losses per token, and how tokens add up to a batch.

The sampler's log-probabilities are the old policy ("bypass": two policies, pi and mu), so the ratio
corrects staleness and the numerical gap between engines at once; a second truncated weight on top
would count the same gap twice.

Aggregation is a weight for each token and an amount by which each completion raises the
denominator. Both add up over micro-batches, so a batch may be summed while parts of it are still
being sampled and be divided once, at its cut.

Shapes: all arguments are [N], one entry for each completion token of a micro-batch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from svc_learner.types import LossName

LOG_RATIO_BOUND = 20.0
"""exp() of anything further out is no ratio but an accident."""


@dataclass(frozen=True, slots=True)
class LossConfig:
    """The ratio is bounded to [1 - clip_low, 1 + clip_high]."""

    name: LossName
    clip_low: float
    clip_high: float
    kl_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenLoss:
    """`loss` carries the gradient; `ratio` (pi / mu) and `clipped` (bool) are detached."""

    loss: Tensor
    ratio: Tensor
    clipped: Tensor


def ratio_of(logprobs: Tensor, behaviour: Tensor) -> Tensor:
    """Importance ratio pi / mu of each token, differentiable in `logprobs`.

    A token whose behaviour log-probability is not finite counts as on-policy (ratio 1).
    """
    known = torch.where(torch.isfinite(behaviour), behaviour, logprobs.detach())
    return (logprobs - known).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND).exp()


def clipped_surrogate(
    logprobs: Tensor, behaviour: Tensor, advantages: Tensor, config: LossConfig
) -> TokenLoss:
    """-min(r A, clip(r) A): PPO, arXiv:1707.06347, equation 7; GRPO, arXiv:2402.03300."""
    ratio = ratio_of(logprobs, behaviour)
    bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
    unbound, bound = ratio * advantages, bounded * advantages
    return TokenLoss(-torch.minimum(unbound, bound), ratio.detach(), (bound < unbound).detach())


def cispo(logprobs: Tensor, behaviour: Tensor, advantages: Tensor, config: LossConfig) -> TokenLoss:
    """-sg(clip(r)) A log pi: CISPO, arXiv:2506.13585, equation 4.

    Unlike the clipped surrogate, a token outside the bounds keeps a (bounded) gradient. Bounds
    [0, 5]: ScaleRL, arXiv:2510.13786.
    """
    ratio = ratio_of(logprobs, behaviour).detach()
    bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
    return TokenLoss(-bounded * advantages * logprobs, ratio, bounded != ratio)


def cross_entropy(logprobs: Tensor) -> Tensor:
    """-log pi: supervised learning on demonstrations."""
    return -logprobs


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Unbiased, non-negative estimate of KL(pi || reference) from samples of pi.

    exp(d) - d - 1 with d = log reference - log pi (http://joschu.net/blog/kl-approx.html).
    """
    difference = (reference - logprobs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    return difference.exp() - difference - 1


_POLICY_LOSSES: Mapping[LossName, Callable[[Tensor, Tensor, Tensor, LossConfig], TokenLoss]] = {
    "grpo": clipped_surrogate,
    "dr_grpo": clipped_surrogate,
    "cispo": cispo,
}


def policy_loss(
    logprobs: Tensor, behaviour: Tensor, advantages: Tensor, config: LossConfig
) -> TokenLoss:
    """The configured loss, without aggregation and KL."""
    return _POLICY_LOSSES[config.name](logprobs, behaviour, advantages, config)


def token_weight(name: LossName, length: int) -> float:
    """Weight of each token of a completion that has `length` tokens."""
    return 1 / max(length, 1) if name == "grpo" else 1.0


def denominator(name: LossName, length: int, max_tokens: int) -> float:
    """What one completion adds to the batch's divisor.

    - grpo: 1, the mean over completions of their token means (arXiv:2402.03300, equation 3)
    - dr_grpo: the constant generation budget, so that length does not scale the gradient
      (arXiv:2503.20783, section 3.1)
    - cispo: its tokens, the mean over all tokens of the batch (arXiv:2506.13585)
    """
    match name:
        case "grpo":
            return 1.0
        case "dr_grpo":
            return float(max_tokens)
        case "cispo":
            return float(length)
