"""Rows by their pass rate: prompts that are always or never solved teach little.

A group whose completions all fail, or all pass, has no advantages; drawing such rows less often
saves their sampling and scoring. The pools and their weights are those of prime-rl's difficulty
buffers.
"""

from typing import Literal, TypeAlias, get_args

from burnish.stage_spec import Adaptive

Pool: TypeAlias = Literal["unseen", "hard", "normal", "easy"]
POOLS: tuple[Pool, ...] = get_args(Pool)


def pool_of(pass_rate: float | None, config: Adaptive) -> Pool:
    """Where a row belongs by the pass rate of its newest group; None: it has not been drawn yet."""
    if pass_rate is None:
        return "unseen"
    if pass_rate >= config.easy_from:
        return "easy"
    return "hard" if pass_rate <= config.hard_to else "normal"


def weight_of(pool: Pool, config: Adaptive) -> float:
    """How often its rows are drawn, next to normal ones."""
    return {"easy": config.easy_weight, "hard": config.hard_weight}.get(pool, 1.0)
