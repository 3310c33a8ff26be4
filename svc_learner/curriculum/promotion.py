"""When the next level opens: a pure decision over what the newest level's groups came to."""

from collections.abc import Sequence

from burnish.stage_spec import Curriculum
from svc_learner.algorithms.metrics import mean

SOLVED = "every group of the open levels reaches the best reward"


def reason_to_promote(window: Sequence[float], steps: int, config: Curriculum, name: str) -> str:
    """Why the next level opens now; "": it does not.

    Args:
        window: the means of the measure over the level's newest groups, at most `config.window`.
        steps: optimizer steps since the level opened.
        config: the curriculum.
        name: of the hardest open level.
    """
    if len(window) == config.window and mean(window) >= config.promote_at:
        what = f"`{config.measure}`" if config.measure else "reward"
        groups = f"the newest {config.window} groups" if config.window > 1 else "the newest group"
        return (
            f"the mean {what} of {groups} of `{name}` is {mean(window):.2f}, "
            f"at least {config.promote_at:g}"
        )
    if config.max_steps_per_level and steps >= config.max_steps_per_level:
        return f"{steps} steps were taken at `{name}`, the most for one level"
    return ""
