"""Policy-gradient losses per token, and how tokens add up to a batch.

Three distributions take part: pi is learned, mu sampled, and `old` is what the loss's ratio compares
pi to (its anchor).

- `sampler`: old = mu. The ratio pi / mu corrects staleness and the numerical gap between engines at
  once; another weight on top would count the same gap twice.
- `trainer`: old = pi before the step, without a gradient. Every batch is learned from in one step,
  so this ratio is 1 and needs no second forward pass; the gap to mu is left to an importance weight
  sg(pi) / mu, truncated or masked.

Aggregation is a weight for each token and an amount by which each completion raises the
denominator. Both add up over micro-batches, so a batch may be summed while parts of it are still
being sampled and be divided once, at its cut. A token that is masked keeps its place in the
denominator: what is kept is not inflated.

Shapes: all tensors are [N], one entry for each completion token of a micro-batch. sg() is a
stop-gradient.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self, TypeAlias

import torch
from torch import Tensor

from burnish.stage_spec import AnchorName, ImportanceName, LossName, RlStage

LOG_RATIO_BOUND = 20.0
"""exp() of anything further out is no ratio but an accident."""


@dataclass(frozen=True, slots=True)
class LossConfig:
    """The loss's ratio is bounded to [1 - clip_low, 1 + clip_high].

    Raises:
        ValueError: the gap to the sampler would be corrected twice.
    """

    name: LossName
    clip_low: float
    clip_high: float
    kl_weight: float = 0.0
    anchor: AnchorName = "sampler"
    importance: ImportanceName = "none"
    importance_low: float = 0.5
    importance_high: float = 2.0

    def __post_init__(self) -> None:
        if self.anchor == "sampler" and self.importance != "none":
            raise ValueError("the ratio to the sampler holds its gap already: no weight on top")

    @classmethod
    def of(cls, config: RlStage) -> Self:
        return cls(
            name=config.loss,
            clip_low=config.clip_low,
            clip_high=config.clip_high,
            kl_weight=config.kl_weight,
            anchor=config.anchor,
            importance=config.importance,
            importance_low=config.importance_low,
            importance_high=config.importance_high,
        )

    @property
    def compares_sequences(self) -> bool:
        """Whether a token's loss depends on the whole completion's ratio."""
        return self.name == "gspo" and self.anchor == "sampler"


@dataclass(frozen=True, slots=True)
class TokenLoss:
    """Only `loss` carries a gradient.

    Attributes:
        ratio: pi / mu, whatever the anchor.
        clipped: bool, whether the loss's own ratio was bounded.
        corrected: bool, whether the importance weight was truncated or masked.
    """

    loss: Tensor
    ratio: Tensor
    clipped: Tensor
    corrected: Tensor


def log_ratio(logprobs: Tensor, old: Tensor) -> Tensor:
    """Log pi - log old, bounded, differentiable in `logprobs`.

    A token whose old log-probability is not finite counts as on-policy (0).
    """
    known = torch.where(torch.isfinite(old), old, logprobs.detach())
    return (logprobs - known).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)


def sequence_mean(values: Tensor, owner: Tensor) -> Tensor:
    """Mean over each completion's tokens, given back to each of them; `owner` numbers completions."""
    count = int(owner.max()) + 1
    sums = torch.zeros(count, dtype=values.dtype, device=values.device)
    sums.index_add_(0, owner, values)
    return (sums / torch.bincount(owner, minlength=count).clamp(min=1))[owner]


def clipped_surrogate(
    ratio: Tensor, logprobs: Tensor, advantages: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor]:
    """-min(r A, clip(r) A): PPO, arXiv:1707.06347, equation 7.

    GRPO (arXiv:2402.03300, equation 3), Dr. GRPO (arXiv:2503.20783) and DAPO (arXiv:2503.14476,
    equation 8, with two bounds) share it, per token; GSPO has it per completion.
    """
    del logprobs
    bounded = ratio.clamp(1 - config.clip_low, 1 + config.clip_high)
    unbound, bound = ratio * advantages, bounded * advantages
    return -torch.minimum(unbound, bound), bound < unbound


def cispo(
    ratio: Tensor, logprobs: Tensor, advantages: Tensor, config: LossConfig
) -> tuple[Tensor, Tensor]:
    """-sg(clip(r)) A log pi: CISPO, arXiv:2506.13585, equation 4.

    Unlike the clipped surrogate, a token outside the bounds keeps a (bounded) gradient. Bounds
    [0, 5]: ScaleRL, arXiv:2510.13786.
    """
    found = ratio.detach()
    bounded = found.clamp(1 - config.clip_low, 1 + config.clip_high)
    return -bounded * advantages * logprobs, bounded != found


_Form: TypeAlias = Callable[[Tensor, Tensor, Tensor, LossConfig], tuple[Tensor, Tensor]]
"""Ratio, log-probabilities, advantages → loss, and where the ratio was bounded."""

_FORMS: Mapping[LossName, _Form] = {
    "cispo": cispo,
    "dapo": clipped_surrogate,
    "dr_grpo": clipped_surrogate,
    "grpo": clipped_surrogate,
    "gspo": clipped_surrogate,
}


def importance(ratio: Tensor, config: LossConfig) -> tuple[Tensor, Tensor]:
    """Weight of each token for the gap between trainer and sampler, and where it was cut.

    - truncated: min(rho, C), C = `importance_high` (TIS: https://fengyao.notion.site/off-policy-rl)
    - masked: rho within [`importance_low`, `importance_high`], else 0 (IcePop: arXiv:2510.18855):
      a token on which the engines disagree is noise, however it is scaled

    `ratio` is rho = sg(pi) / mu.
    """
    match config.importance:
        case "none":
            return torch.ones_like(ratio), torch.zeros_like(ratio, dtype=torch.bool)
        case "truncated":
            return ratio.clamp(max=config.importance_high), ratio > config.importance_high
        case "masked":
            kept = (ratio >= config.importance_low) & (ratio <= config.importance_high)
            return ratio * kept, ~kept


def policy_loss(
    logprobs: Tensor,
    behaviour: Tensor,
    advantages: Tensor,
    config: LossConfig,
    sequence: Tensor | None = None,
) -> TokenLoss:
    """The configured loss, without aggregation and KL.

    Args:
        logprobs: log pi, by which it is differentiated.
        behaviour: log mu; not finite where it is unknown.
        advantages: of the token's completion.
        config: which loss, and its bounds.
        sequence: `sequence_mean` of the log-ratio to the sampler, where the loss
            `compares_sequences`.
    """
    gap = log_ratio(logprobs.detach(), behaviour).exp()
    ratio = _loss_ratio(logprobs, behaviour, config, sequence)
    loss, clipped = _FORMS[config.name](ratio, logprobs, advantages, config)
    weight, corrected = importance(gap, config)
    return TokenLoss(weight * loss, gap, clipped.detach(), corrected)


def _loss_ratio(
    logprobs: Tensor, behaviour: Tensor, config: LossConfig, sequence: Tensor | None
) -> Tensor:
    """The ratio pi / old that the loss bounds.

    GSPO's is the geometric mean over the completion, in its token form s_t = sg(s) pi / sg(pi):
    arXiv:2507.18071, equations 7 and 14.
    """
    if config.compares_sequences:
        if sequence is None:
            raise ValueError("gspo needs the completions' log-ratios")
        return (sequence.detach() + logprobs - logprobs.detach()).exp()
    old = behaviour if config.anchor == "sampler" else logprobs.detach()
    return log_ratio(logprobs, old).exp()


def cross_entropy(logprobs: Tensor) -> Tensor:
    """-log pi: supervised learning on demonstrations."""
    return -logprobs


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    """Unbiased, non-negative estimate of KL(pi || reference) from samples of pi.

    exp(d) - d - 1 with d = log reference - log pi (http://joschu.net/blog/kl-approx.html).
    """
    difference = (reference - logprobs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    return difference.exp() - difference - 1


def token_weight(name: LossName, length: int) -> float:
    """Weight of each token of a completion that has `length` tokens."""
    return 1 / max(length, 1) if name in {"grpo", "gspo"} else 1.0


def denominator(name: LossName, length: int, max_tokens: int) -> float:
    """What one completion adds to the batch's divisor.

    - grpo, gspo: 1, the mean over completions of their token means (arXiv:2402.03300, equation 3;
      arXiv:2507.18071, equation 5)
    - dr_grpo: the constant generation budget, so that length does not scale the gradient
      (arXiv:2503.20783, section 3.1)
    - dapo, cispo: its tokens, the mean over all tokens of the batch (arXiv:2503.14476, section 3.3;
      arXiv:2506.13585, equation 4)
    """
    match name:
        case "grpo" | "gspo":
            return 1.0
        case "dr_grpo":
            return float(max_tokens)
        case "cispo" | "dapo":
            return float(length)
