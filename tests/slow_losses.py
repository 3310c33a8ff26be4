"""Policy-gradient losses as loops over plain numbers: what the learner's tensors are compared with.

Written down from the papers, one batch at a time, with none of the learner's code. A stop-gradient
is a second copy of the log-probabilities that differentiation leaves alone (`frozen`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from svc_learner.algorithms.losses import LossConfig


@dataclass(frozen=True, slots=True)
class Row:
    """One completion: `frozen` is log pi; `behaviour` log mu, NaN where unknown; `base` of the leash."""

    frozen: tuple[float, ...]
    behaviour: tuple[float, ...]
    base: tuple[float, ...]
    advantage: float


Live = Sequence[Sequence[float]]
"""Log pi of each row's tokens: the copy that is differentiated."""


def batch_loss(rows: Sequence[Row], live: Live, config: LossConfig, max_tokens: int) -> float:
    """The loss of one optimizer step."""
    if config.compares_sequences:
        policy = fmean(gspo_sequence(r, p, config) for r, p in zip(rows, live, strict=True))
        leash = [[kl(p, b) for p, b in zip(ps, r.base, strict=True)] for r, ps in _both(rows, live)]
        return policy + config.kl_weight * fmean(fmean(tokens) for tokens in leash)
    tokens = [
        [
            token_loss(r, t, p, config) + config.kl_weight * kl(p, r.base[t])
            for t, p in enumerate(ps)
        ]
        for r, ps in _both(rows, live)
    ]
    total = math.fsum(math.fsum(each) for each in tokens)
    match config.name:
        case "grpo" | "gspo":
            return fmean(fmean(each) for each in tokens)
        case "dr_grpo":
            return total / (len(rows) * max_tokens)
        case _:
            return total / sum(len(each) for each in tokens)


def gspo_sequence(row: Row, live: Sequence[float], config: LossConfig) -> float:
    """GSPO's own form: one ratio, the geometric mean, and one clip for the whole completion."""
    logs = [p - old(row, t, config) for t, p in enumerate(live)]
    ratio = math.exp(fmean(logs))
    return -min(ratio * row.advantage, clip(ratio, config) * row.advantage)


def token_loss(row: Row, t: int, live: float, config: LossConfig) -> float:
    a = row.advantage
    ratio = math.exp(live - old(row, t, config))
    if config.name == "cispo":
        fixed = math.exp(row.frozen[t] - old(row, t, config))
        loss = -clip(fixed, config) * a * live
    else:
        loss = -min(ratio * a, clip(ratio, config) * a)
    return weight(gap(row, t), config) * loss


def old(row: Row, t: int, config: LossConfig) -> float:
    if config.anchor == "trainer" or math.isnan(row.behaviour[t]):
        return row.frozen[t]
    return row.behaviour[t]


def gap(row: Row, t: int) -> float:
    if math.isnan(row.behaviour[t]):
        return 1.0
    return math.exp(row.frozen[t] - row.behaviour[t])


def clip(ratio: float, config: LossConfig) -> float:
    return min(max(ratio, 1 - config.clip_low), 1 + config.clip_high)


def weight(rho: float, config: LossConfig) -> float:
    if config.importance == "truncated":
        return min(rho, config.importance_high)
    if config.importance == "masked":
        return rho if config.importance_low <= rho <= config.importance_high else 0.0
    return 1.0


def kl(live: float, base: float) -> float:
    return math.exp(base - live) - (base - live) - 1


def gradient(rows: Sequence[Row], config: LossConfig, max_tokens: int) -> list[list[float]]:
    """Central differences by each live log-probability."""
    step = 1e-5

    def moved(i: int, t: int, by: float) -> float:
        live = [list(row.frozen) for row in rows]
        live[i][t] += by
        return batch_loss(rows, live, config, max_tokens)

    return [
        [(moved(i, t, step) - moved(i, t, -step)) / (2 * step) for t in range(len(row.frozen))]
        for i, row in enumerate(rows)
    ]


def distance_to_edges(rows: Sequence[Row], config: LossConfig) -> float:
    """How near any ratio comes to a bound, where the loss has a kink or a jump."""
    edges = [1 - config.clip_low, 1 + config.clip_high]
    edges += [config.importance_low, config.importance_high]
    ratios = [gap(row, t) for row in rows for t in range(len(row.frozen))]
    for row in rows:
        logs = [p - old(row, t, config) for t, p in enumerate(row.frozen)]
        ratios.append(math.exp(fmean(logs)))
    if config.anchor == "trainer":
        ratios.append(1.0)
    return min(abs(ratio - edge) for ratio in ratios for edge in edges)


def _both(rows: Sequence[Row], live: Live) -> list[tuple[Row, Sequence[float]]]:
    return list(zip(rows, live, strict=True))
