"""What is measured while training, as sums that add up over micro-batches and groups."""

import math
import operator
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TypeAlias

from svc_learner.types import Completion, Score

_Combine: TypeAlias = Callable[[float, float], float]
_COMBINE: Mapping[str, _Combine] = {"ratio_min": min, "ratio_max": max}


@dataclass(slots=True)
class Tally:
    """Sums over trained completion tokens; `ratio_min` and `ratio_max` are extremes.

    `mismatch` sums the k3 estimate of KL(mu || pi) over the tokens that the present policy itself
    sampled: what is left is the numerical gap between sampler and trainer. `behaviour` sums it over
    all tokens, staleness included.
    """

    tokens: int = 0
    loss: float = 0.0
    ratio: float = 0.0
    ratio_squared: float = 0.0
    ratio_min: float = math.inf
    ratio_max: float = -math.inf
    clipped: float = 0.0
    corrected: float = 0.0
    entropy: float = 0.0
    behaviour: float = 0.0
    mismatch: float = 0.0
    fresh_tokens: int = 0
    kl: float = 0.0

    def add(self, other: "Tally") -> None:
        for f in fields(self):
            mine, theirs = getattr(self, f.name), getattr(other, f.name)
            combine: _Combine = _COMBINE.get(f.name, operator.add)
            setattr(self, f.name, combine(mine, theirs))

    def metrics(self, divisor: float) -> dict[str, float]:
        """Means; `divisor` is the batch's loss denominator."""
        if not self.tokens:
            return {}
        found = {
            "loss": self.loss / divisor,
            "ratio/mean": self.ratio / self.tokens,
            "ratio/min": self.ratio_min,
            "ratio/max": self.ratio_max,
            "ratio/effective_samples": _effective_samples(self),
            "clip_fraction": self.clipped / self.tokens,
            "correction_fraction": self.corrected / self.tokens,
            "entropy": self.entropy / self.tokens,
            "k3/behaviour": self.behaviour / self.tokens,
            "kl": self.kl / self.tokens,
        }
        if self.fresh_tokens:
            found["k3/mismatch"] = self.mismatch / self.fresh_tokens
        return found


def _effective_samples(tally: Tally) -> float:
    """Kish's effective sample size as a share of the tokens, (sum r)^2 / (N sum r^2)."""
    if not tally.ratio_squared:
        return 1.0
    return tally.ratio**2 / (tally.tokens * tally.ratio_squared)


@dataclass(slots=True)
class RewardWindow:
    """Every completion that one step consumed, in groups used and groups filtered alike.

    Counting the used ones only would show the reward of the rows that are neither easy nor hard.
    """

    completions: list[Completion] = field(default_factory=list)

    def metrics(self) -> dict[str, float]:
        found = {"completions": float(len(self.completions))}
        rewards = [c.reward for c in self.completions if c.reward is not None]
        if rewards:
            found["reward/mean"] = mean(rewards)
            found["reward/std"] = spread(rewards)
        for name, values in by_name(self.completions).items():
            found[f"reward/{name}"] = mean(values)
        for name, values in by_part(self.completions).items():
            found[f"reward/{name}"] = mean(values)
        for name, rate in flag_rates(self.completions).items():
            found[f"flags/{name}"] = rate
        lengths = [len(c.tokens) for c in self.completions]
        if lengths:
            found["completion_tokens/mean"] = mean(lengths)
            found["completion_tokens/max"] = float(max(lengths))
            found["truncated"] = mean([float(c.truncated) for c in self.completions])
        return found


def by_name(completions: Sequence[Completion]) -> Mapping[str, list[float]]:
    """The values of each reward function, where there is one."""
    values: dict[str, list[float]] = {}
    for score in (s for c in completions for s in c.scores):
        _append(values, score)
    return values


def by_part(completions: Sequence[Completion]) -> Mapping[str, list[float]]:
    """The values of each reward function's named parts, as `<reward>/<part>`."""
    values: dict[str, list[float]] = {}
    for score in (s for c in completions for s in c.scores):
        for part, value in score.parts.items():
            values.setdefault(f"{score.name}/{part}", []).append(value)
    return values


def flag_rates(completions: Sequence[Completion]) -> Mapping[str, float]:
    """The share of completions in which each reward hack was found."""
    found = Counter(flag for c in completions for flag in {f for s in c.scores for f in s.flags})
    return {flag: count / len(completions) for flag, count in sorted(found.items())}


def _append(values: dict[str, list[float]], score: Score) -> None:
    if score.value is not None:
        values.setdefault(score.name, []).append(score.value)


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def spread(values: Sequence[float]) -> float:
    """Population standard deviation."""
    centre = mean(values)
    return math.sqrt(math.fsum((v - centre) ** 2 for v in values) / len(values))
