"""Who got how much of a base model, for people to look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field

HALF_LIFE = 60.0
"""Seconds after which a token counts half in a share."""


@dataclass(slots=True)
class Shares:
    """Tokens served to each job: in all, and recently. Times are of one monotonic clock."""

    totals: dict[str, int] = field(default_factory=dict)
    _recent: dict[str, float] = field(default_factory=dict)
    _at: float = 0.0

    def add(self, job: str, tokens: int, now: float) -> None:
        faded = 0.5 ** ((now - self._at) / HALF_LIFE)
        self._recent = {key: value * faded for key, value in self._recent.items()}
        self._at = now
        self._recent[job] = self._recent.get(job, 0.0) + tokens
        self.totals[job] = self.totals.get(job, 0) + tokens

    def forget(self, job: str) -> None:
        self.totals.pop(job, None)
        self._recent.pop(job, None)

    @property
    def shares(self) -> Mapping[str, float]:
        """Of the recent tokens of all jobs that are still there; they add up to 1."""
        total = sum(self._recent.values())
        return {job: tokens / total for job, tokens in self._recent.items()} if total else {}
