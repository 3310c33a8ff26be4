"""From a group's rewards to advantages, or to the reason why the group teaches nothing.

Invariant: a completion without a reward (infrastructure failed, or the reward function declined)
is gone before the baseline is computed; it neither learns nor shifts what its siblings learn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from burnish.stage_spec import RlStage
from svc_learner.algorithms.measures import value_of
from svc_learner.algorithms.overlong import punished
from svc_learner.types import Completion

SPREAD = 1e-6
"""Rewards closer than this are equal: rounding must not be amplified into a gradient."""

Refusal: TypeAlias = Literal[
    "too_few", "all_solved", "all_failed", "zero_variance", "all_cut", "no_success"
]
"""`zero_variance` is a group of equal rewards that are neither the best nor the worst."""

EQUAL: frozenset[str] = frozenset({"all_solved", "all_failed", "zero_variance"})
"""Refusals of groups without any difference to learn from."""


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
    completions: Sequence[Completion], config: RlStage, seen: tuple[float, float] | None = None
) -> Verdict:
    """Decide what one group teaches.

    Args:
        completions: all members of the group that arrived.
        config: its `advantage`, `overlong` and `require_success` (the name of a score or of a part,
            `<score>/<part>`: only a group with a member that scores above 0 on it is used).
        seen: the least and the greatest reward of the job so far, this group's included.
    """
    members = tuple(c for c in completions if c.reward is not None)
    if len(members) < 2:
        return Verdict(refusal="too_few")
    rewards = [_reward(c, config) for c in members]
    if max(rewards) - min(rewards) <= SPREAD:
        return Verdict(refusal=_without_difference([c.reward or 0.0 for c in members], seen))
    if config.overlong == "mask" and all(c.truncated for c in members):
        return Verdict(refusal="all_cut")
    name = config.require_success
    if name and not any(succeeded(c, name) for c in members):
        return Verdict(refusal="no_success")
    values = (standardized if config.advantage == "standardized" else centered)(rewards)
    return Verdict(members=members, advantages=tuple(values))


def _reward(completion: Completion, config: RlStage) -> float:
    """Overlong `mask` leaves it as it is: a cut completion counts in the baseline."""
    reward = completion.reward or 0.0
    if config.overlong != "penalize":
        return reward
    return punished(completion, reward, config.sampling.max_tokens, config.overlong_buffer)


def _without_difference(rewards: Sequence[float], seen: tuple[float, float] | None) -> Refusal:
    """Measured by the job's extremes; before there are two, a reward above 0 is a success."""
    low, high = seen or (min(rewards), max(rewards))
    if high - low <= SPREAD:
        return "all_solved" if min(rewards) > 0 else "all_failed"
    if min(rewards) >= high - SPREAD:
        return "all_solved"
    return "all_failed" if max(rewards) <= low + SPREAD else "zero_variance"


def succeeded(completion: Completion, name: str) -> bool:
    """Whether the score, or the part `<score>/<part>`, called `name` is above 0."""
    return (value_of(completion, name) or 0.0) > 0
