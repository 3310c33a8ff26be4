"""From a group's verdict to the samples that its gradients are taken from. No I/O."""

from dataclasses import dataclass

from burnish.stage_spec import RlStage
from svc_learner.algorithms import losses
from svc_learner.algorithms.advantages import Verdict
from svc_learner.pipeline.pacing import staleness
from svc_learner.types import Completion, Sample


@dataclass(frozen=True, slots=True)
class Contribution:
    """`samples` may be fewer than the group: those without a gradient cost no forward pass.

    `divisor` counts every completion that has an advantage, so leaving one out, or masking some of
    its tokens, never inflates the others.
    """

    samples: tuple[Sample, ...]
    divisor: float


def contribution(verdict: Verdict, config: RlStage, version: int) -> Contribution:
    """What one usable group adds to the step that the policy `version` takes."""
    pairs = list(zip(verdict.members, verdict.advantages, strict=True))
    return Contribution(
        samples=tuple(
            _sample(member, advantage, config, version)
            for member, advantage in pairs
            if _teaches(member, advantage, config)
        ),
        divisor=sum(
            losses.denominator(config.loss, len(member.tokens), config.sampling.max_tokens)
            for member in verdict.members
        ),
    )


def _teaches(member: Completion, advantage: float, config: RlStage) -> bool:
    """Without a leash to the base, a completion of average reward has no gradient at all."""
    if member.truncated and config.overlong == "mask":
        return False
    return bool(advantage or config.kl_weight)


def _sample(member: Completion, advantage: float, config: RlStage, version: int) -> Sample:
    return Sample(
        prompt=member.prompt,
        tokens=member.tokens,
        weight=losses.token_weight(config.loss, len(member.tokens)),
        advantage=advantage,
        logprobs=member.logprobs,
        staleness=staleness(version, member.policy_version),
    )
