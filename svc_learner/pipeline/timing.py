"""Where a scored completion was, and for how long, on its way back to the learner.

Only durations travel: every service measures its own, so the clocks of different machines never
have to agree. Laid out backwards from the moment of arrival they say where a completion was at any
earlier moment.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["sampling_queue", "sampling", "scoring_queue", "scoring"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds in each phase, in order."""

    sampling_queue: float = 0.0
    """Dispatched; nobody has asked the engine yet."""
    sampling: float = 0.0
    scoring_queue: float = 0.0
    """Sampled; no reward has begun yet."""
    scoring: float = 0.0

    @classmethod
    def of(
        cls, sampling: float, sampling_waited: float, scoring: float, scoring_waited: float
    ) -> "Timing":
        """From whole durations and the parts of them before work began."""
        return cls(
            sampling_queue=sampling_waited,
            sampling=max(0.0, sampling - sampling_waited),
            scoring_queue=scoring_waited,
            scoring=max(0.0, scoring - scoring_waited),
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """A scored completion reached the learner at `at`, on the learner's monotonic clock."""

    at: float
    timing: Timing

    @property
    def sampled(self) -> float:
        """When its last token came."""
        return self.at - self.timing.scoring - self.timing.scoring_queue

    @property
    def dispatched(self) -> float:
        return self.sampled - self.timing.sampling - self.timing.sampling_queue

    def spans(self) -> Iterator[tuple[Phase, float, float]]:
        """Each phase with its beginning and end, the last one first."""
        end = self.at
        for phase in _BACKWARDS:
            begin = end - float(getattr(self.timing, phase))
            yield phase, begin, end
            end = begin


_BACKWARDS: tuple[Phase, ...] = ("scoring", "scoring_queue", "sampling", "sampling_queue")
