"""What the completions of some steps say, as sums that add up: the memory of the alarms.

The unit is the group: completions of one row resemble each other, so a mean over completions would
look more certain than it is.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from burnish.run_spec import Success
from svc_learner.algorithms.advantages import SPREAD
from svc_learner.algorithms.measures import passes, value_of
from svc_learner.algorithms.metrics import mean
from svc_learner.types import Completion


@dataclass(slots=True)
class Moments:
    """Of one value x and the reward r, over groups.

    `within` and `paid` are sums over completions of (x - mean(x))^2 and (x - mean(x))(r - mean(r)),
    the means being the group's own: paid / within is how much reward goes with x among answers to
    the same prompt, which is what a policy gradient follows.
    """

    groups: int = 0
    total: float = 0.0
    """Sum of the groups' means."""
    squares: float = 0.0
    """Sum of the squares of the groups' means."""
    within: float = 0.0
    paid: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / self.groups

    @property
    def variance(self) -> float:
        """Of the mean: the groups' unbiased variance over their number."""
        if self.groups < 2:
            return math.inf
        spread = max(self.squares - self.total * self.total / self.groups, 0.0)
        return spread / (self.groups - 1) / self.groups

    def add(self, other: "Moments") -> None:
        self.groups += other.groups
        self.total += other.total
        self.squares += other.squares
        self.within += other.within
        self.paid += other.paid

    def take(self, values: Sequence[float], rewards: Sequence[float]) -> None:
        """Add one group: its completions' values and rewards, in the same order."""
        x, r = mean(values), mean(rewards)
        self.groups += 1
        self.total += x
        self.squares += x * x
        self.within += math.fsum((v - x) ** 2 for v in values)
        self.paid += math.fsum((v - x) * (w - r) for v, w in zip(values, rewards, strict=True))


@dataclass(slots=True)
class Evidence:
    """Of the completions that one or more steps consumed, in groups used and filtered alike."""

    reward: Moments = field(default_factory=Moments)
    components: dict[str, Moments] = field(default_factory=dict)
    """By name: each part of a score that has parts, else the score. Shadows are no components."""
    collapsed: int = 0
    """Groups with equal rewards, those aside in which everything passed."""
    tokens: int = 0
    completions: int = 0

    @classmethod
    def of(cls, completions: Iterable[Completion], success: Success) -> Self:
        found = cls()
        by_group = sorted(completions, key=lambda c: c.group_id)
        for _, members in itertools.groupby(by_group, key=lambda c: c.group_id):
            found._take([c for c in members if c.reward is not None], success)
        return found

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        components = {name: Moments(**one) for name, one in data["components"].items()}
        return cls(**{**data, "reward": Moments(**data["reward"]), "components": components})

    @classmethod
    def total(cls, steps: Iterable["Evidence"]) -> Self:
        found = cls()
        for step in steps:
            found.add(step)
        return found

    def add(self, other: "Evidence") -> None:
        self.reward.add(other.reward)
        for name, moments in other.components.items():
            self.components.setdefault(name, Moments()).add(moments)
        self.collapsed += other.collapsed
        self.tokens += other.tokens
        self.completions += other.completions

    def _take(self, members: Sequence[Completion], success: Success) -> None:
        if not members:
            return
        rewards = [c.reward for c in members if c.reward is not None]
        self.reward.take(rewards, rewards)
        for name in component_names(members):
            judged = [(value_of(c, name), c.reward) for c in members]
            pairs = [(v, r) for v, r in judged if v is not None and r is not None]
            self.components.setdefault(name, Moments()).take(
                [v for v, _ in pairs], [r for _, r in pairs]
            )
        equal = len(members) > 1 and max(rewards) - min(rewards) <= SPREAD
        self.collapsed += equal and not all(passes(members, success))
        self.tokens += sum(len(c.tokens) for c in members)
        self.completions += len(members)


def component_names(completions: Iterable[Completion]) -> list[str]:
    """What the reward is made of, as finely as the scores say."""
    parts: dict[str, set[str]] = {}
    for score in (s for c in completions for s in c.scores if s.weight):
        parts.setdefault(score.name, set()).update(score.parts)
    return sorted(
        name
        for score, found in parts.items()
        for name in ([f"{score}/{part}" for part in found] or [score])
    )
