"""The step that is being put together: what it learned from so far, and what it left out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from svc_learner.algorithms.advantages import EQUAL
from svc_learner.algorithms.metrics import RewardWindow, Tally, mean
from svc_learner.types import Completion, Group


@dataclass(slots=True)
class Draft:
    """Everything that the step consumes is closed with it, so a crash repeats exactly this."""

    used: list[Group] = field(default_factory=list)
    window: RewardWindow = field(default_factory=RewardWindow)
    tally: Tally = field(default_factory=Tally)
    divisor: float = 0.0
    staleness: list[int] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    replay: Tally | None = None

    @property
    def unusable(self) -> int:
        """Groups that had nothing to teach; stale ones were never judged."""
        return sum(self.refusals.values()) - self.refusals["stale"]

    @property
    def completions(self) -> Sequence[Completion]:
        """Of groups used and groups filtered alike."""
        return self.window.completions

    def use(self, group: Group, *, staleness: int) -> None:
        """The group's gradients are in the step."""
        self.used.append(group)
        self.staleness.append(staleness)
        self.window.completions.extend(group.completions)

    def refuse(self, group: Group, reason: str) -> None:
        """The group is left out. A stale one does not even count in the step's rewards."""
        self.refusals[reason] += 1
        if reason != "stale":
            self.window.completions.extend(group.completions)

    def metrics(self) -> dict[str, float]:
        judged = len(self.used) + self.unusable
        return {
            **self.tally.metrics(max(self.divisor, 1.0)),
            **self.window.metrics(),
            "frac_zero_variance": sum(self.refusals[reason] for reason in EQUAL) / judged,
            "frac_all_solved": self.refusals["all_solved"] / judged,
            "frac_all_failed": self.refusals["all_failed"] / judged,
            "groups/used": float(len(self.used)),
            "groups/filtered": float(self.unusable),
            "groups/stale": float(self.refusals["stale"]),
            "staleness/mean": mean(self.staleness),
            "staleness/max": float(max(self.staleness)),
        }
