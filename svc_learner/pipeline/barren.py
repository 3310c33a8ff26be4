"""When group after group has nothing to teach: is the task solved, or is it hopeless?"""

from collections import Counter
from collections.abc import Sequence

from burnish.errors import UserError
from svc_learner.algorithms.advantages import SPREAD
from svc_learner.state.progress import Progress
from svc_learner.types import Completion

SOLVED = "every row reaches the best reward: nothing is left to learn"

_WORDS = {
    "all_solved": "all completions had the same reward, the best so far",
    "all_failed": "all completions had the same reward, the worst so far",
    "zero_variance": "all completions had the same reward",
    "all_cut": "all completions were cut",
    "no_success": "no completion had the required success",
    "too_few": "fewer than two completions had a reward",
}


class Barren:
    """Why the newest groups in a row were useless; one useful group clears it."""

    def __init__(self) -> None:
        self._reasons: Counter[str] = Counter()

    def count(self, reason: str) -> None:
        self._reasons[reason] += 1

    def clear(self) -> None:
        self._reasons.clear()

    def error(self, progress: Progress, field: str) -> UserError:
        """What ends a stage that cannot learn any more."""
        reasons = ", ".join(
            f"{count} times {_WORDS.get(why, why)}" for why, count in self._reasons.most_common(3)
        )
        return UserError(
            f"The last {progress.barren} groups taught nothing ({reasons}).",
            field=field,
            hint="try easier prompts, a longer supervised warm-up, a reward with partial credit, "
            "or a higher temperature",
        )


def solved(progress: Progress, completions: Sequence[Completion]) -> bool:
    """Whether all of these completions reach the best reward that the job has seen."""
    low, high = progress.reward_low, progress.reward_high
    if low is None or high is None or high - low <= SPREAD:
        return False
    rewards = [c.reward for c in completions if c.reward is not None]
    return bool(rewards) and min(rewards) >= high - SPREAD
