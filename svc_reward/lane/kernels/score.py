"""From the stages that a kernel passed to its score. Pure."""

import math
from collections.abc import Mapping
from typing import NamedTuple

from .reports import Cost

FULL_SPEEDUP = 4.0
"""Times as fast as the baseline that earn the whole bonus; it grows with the logarithm."""


class Stages(NamedTuple):
    """How far a kernel came.

    Attributes:
        format: the answer has the parts that it must have.
        compiled: every kernel that it launched compiles for the target; None where the options ask
            for no compilation.
        ran: calls with the task's own shapes returned.
        correct: every hidden call was right.
        speedup: against the faster baseline; None where it was not measured.
        cost: of one call, where kernels were interpreted.
        least_bytes: what reading each input and writing each output once takes.
    """

    format: bool = False
    compiled: bool | None = False
    ran: bool = False
    correct: bool = False
    speedup: float | None = None
    cost: Cost | None = None
    least_bytes: int = 0


def value(stages: Stages, flags: tuple[str, ...], weights: Mapping[str, float]) -> float:
    """The score.

    Nothing for a hack. What a kernel computes under an interpreter counts only if a GPU could run
    it, as far as that was asked: interpreted, a kernel may hold any Python.

    Args:
        stages: what was passed.
        flags: hacks that were found.
        weights: of each stage; one that is left out counts 0.
    """
    if flags:
        return 0.0
    correct = stages.correct and stages.compiled is not False
    earned = {
        "format": float(stages.format),
        "compiled": float(bool(stages.compiled)),
        "ran": float(stages.ran),
        "correct": float(correct),
        "speedup": bonus(stages.speedup) if correct and stages.speedup is not None else 0.0,
    }
    # 0.1 + 0.2 is 0.3 to people.
    return round(sum(weights.get(name, 0.0) * share for name, share in earned.items()), 9)


def bonus(speedup: float) -> float:
    """0 for the baseline's speed or less, 1 for FULL_SPEEDUP times it or more."""
    if speedup <= 1.0:
        return 0.0
    return min(1.0, math.log2(speedup) / math.log2(FULL_SPEEDUP))


def parts(stages: Stages) -> dict[str, float]:
    """The named sub-scores and figures of a result."""
    found = {"format": float(stages.format)}
    if stages.compiled is not None:
        found["compiled"] = float(stages.compiled)
    found |= {"ran": float(stages.ran), "correct": float(stages.correct)}
    if stages.speedup is not None:
        found["speedup"] = stages.speedup
    if stages.cost is not None:
        moved = stages.cost.loaded + stages.cost.stored
        found["bytes_moved"] = float(moved)
        found["dot_flops"] = float(stages.cost.flops)
        found["launches"] = float(stages.cost.launches)
        if stages.least_bytes:
            found["proxy_cost"] = moved / stages.least_bytes
    return found
