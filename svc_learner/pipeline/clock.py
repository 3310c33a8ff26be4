"""Where the seconds of a step went: training, saving, or waiting for what. No I/O.

While the learner waits, it waits for one completion: the last one of the group that it judges next.
Each moment of the wait belongs to the phase that this completion was in. Whatever else was sampled
or scored meanwhile is overlap and counts nowhere, so the shares of a step never exceed 1.
"""

import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from svc_learner.pipeline.timing import Arrival

HISTORY = 4096
"""Completions that are remembered to tell when sampling stood still."""

SAME_BURST = 0.05
"""Seconds: groups dispatched closer together were dispatched at once."""


class Sampled:
    """When the newest completions were dispatched and sampled."""

    def __init__(self) -> None:
        self._arrivals: deque[tuple[float, float]] = deque(maxlen=HISTORY)

    def add(self, arrival: Arrival) -> None:
        self._arrivals.append((arrival.dispatched, arrival.sampled))

    def idle_before(self, dispatched: float) -> float:
        """Seconds for which nothing was being sampled when a group was dispatched.

        With more groups allowed in flight it could have been dispatched that much earlier.
        """
        earlier = [sampled for begin, sampled in self._arrivals if begin < dispatched - SAME_BURST]
        return max(0.0, dispatched - max(earlier)) if earlier else 0.0


@dataclass(slots=True)
class Clock:
    """Seconds of the present step."""

    started: float = field(default_factory=time.monotonic)
    training: float = 0.0
    saving: float = 0.0
    waits: list[tuple[float, float]] = field(default_factory=list)
    """Not explained yet."""
    waiting: float = 0.0
    """Explained or not."""
    phases: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    """Explained waiting by phase, and `pacing`."""

    @property
    def total(self) -> float:
        """Wall seconds since the step began."""
        return max(time.monotonic() - self.started, 1e-9)

    def wait(self, begin: float, end: float) -> None:
        """Nothing was there to learn from."""
        self.waits.append((begin, end))
        self.waiting += end - begin

    def explain(self, arrival: Arrival, *, idle: float) -> None:
        """The waits so far were for this arrival.

        Args:
            arrival: the last completion of the group that was waited for.
            idle: seconds for which sampling stood still before the group was dispatched, because
                no more groups were admitted. That much sooner the group would have come, less
                what it would then have spent in queues.
        """
        found: dict[str, float] = defaultdict(float)
        for begin, end in self.waits:
            for phase, since, until in arrival.spans():
                found[phase] += max(0.0, min(end, until) - max(begin, since))
        self.waits.clear()
        queued = arrival.timing.sampling_queue + arrival.timing.scoring_queue
        _move_to_pacing(found, max(0.0, idle - queued))
        for name, seconds in found.items():
            self.phases[name] += seconds

    def shares(self) -> Mapping[str, float]:
        """Parts of the step's wall time, by metric name; together at most 1."""
        total = self.total
        found = {"utilisation/training": self.training, "utilisation/saving": self.saving}
        found |= {f"waiting/{phase}": self.phases[phase] for phase in WAITS}
        scale = max(total, sum(found.values()))
        return {name: seconds / scale for name, seconds in found.items()}

    def metrics(self, tokens: int) -> dict[str, float]:
        """Call once, at the step's end."""
        total = self.total
        return {
            **self.shares(),
            "seconds/waiting": self.waiting,
            "seconds/training": self.training,
            "seconds/total": total,
            "tokens_per_second": tokens / total,
        }


WAITS = ("pacing", "sampling_queue", "sampling", "scoring_queue", "scoring")


def _move_to_pacing(found: dict[str, float], seconds: float) -> None:
    """Work that could have been done before; queues would only have been longer."""
    for phase in ("sampling", "scoring"):
        moved = min(found[phase], seconds)
        found[phase] -= moved
        found["pacing"] += moved
        seconds -= moved
