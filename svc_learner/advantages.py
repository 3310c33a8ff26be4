"""From a group's rewards to advantages, or to the reason why the group teaches nothing.

Invariant: a completion without a reward (infrastructure failed, or the reward function declined)
is gone before the baseline is computed; it neither learns nor shifts what its siblings learn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from svc_learner.types import AdvantageName, Completion

SPREAD = 1e-6
"""Rewards closer than this are equal: rounding must not be amplified into a gradient."""

Refusal: TypeAlias = Literal["too_few", "zero_variance", "no_success"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Either `refusal` is set, or `members` and `advantages` pair up (length >= 2)."""

    members: tuple[Completion, ...] = ()
    advantages: tuple[float, ...] = ()
    refusal: Refusal | None = None


def centered(rewards: Sequence[float]) -> list[float]:
    """R - mean(R): Dr. GRPO, arXiv:2503.20783, section 3.2."""
    mean = math.fsum(rewards) / len(rewards)
    return [reward - mean for reward in rewards]


def standardized(rewards: Sequence[float]) -> list[float]:
    """(R - mean(R)) / (std(R) + 1e-6), std unbiased: GRPO, arXiv:2402.03300, section 4.1.2."""
    deviations = centered(rewards)
    variance = math.fsum(d * d for d in deviations) / max(len(rewards) - 1, 1)
    scale = math.sqrt(variance) + 1e-6
    return [d / scale for d in deviations]


def judge(
    completions: Sequence[Completion], kind: AdvantageName, require_success: str = ""
) -> Verdict:
    """Decide what one group teaches.

    Args:
        completions: all members of the group that arrived.
        kind: how rewards become advantages.
        require_success: name of a score or of a part, `<score>/<part>`; "" asks for nothing. Otherwise the group is used only if
            one member scores above 0 on it.
    """
    members = tuple(c for c in completions if c.reward is not None)
    rewards = [c.reward for c in members if c.reward is not None]
    if len(members) < 2:
        return Verdict(refusal="too_few")
    if max(rewards) - min(rewards) <= SPREAD:
        return Verdict(refusal="zero_variance")
    if require_success and not any(succeeded(c, require_success) for c in members):
        return Verdict(refusal="no_success")
    values = (standardized if kind == "standardized" else centered)(rewards)
    return Verdict(members=members, advantages=tuple(values))


def succeeded(completion: Completion, name: str) -> bool:
    """Whether the score, or the part `<score>/<part>`, called `name` is above 0."""
    reward, _, part = name.partition("/")
    for score in completion.scores:
        if score.name == reward:
            value = score.parts.get(part) if part else score.value
            return value is not None and value > 0
    return False
