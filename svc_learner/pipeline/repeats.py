"""Groups of a deterministic job that the infrastructure disturbed: they are asked for again.

Elsewhere a group ends with what it has when sampling gave up or a sandbox failed. A deterministic
job must not learn from that: which completions are missing would depend on what crashed. Equal
requests give equal completions there, so the whole group is requested once more, and whatever came
of it before stays.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from svc_learner.types import Cancellation, Completion

MAX_REPEATS = 5
"""Requests for one group, after which the job rests until somebody has looked at the services."""

INFRASTRUCTURE = frozenset({"sandbox_unavailable", "lane_error"})


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Why a group has to be asked for again. `attempt` tells the new request from earlier ones."""

    group_id: str
    attempt: int
    reason: str
    times: int = 0
    """How often the group was disturbed, as far as this learner has seen."""

    @property
    def hopeless(self) -> bool:
        return self.times > MAX_REPEATS


def disturbance(arrival: Completion | Cancellation) -> str:
    """What the infrastructure did to a completion or a group; "" if it did nothing."""
    if isinstance(arrival, Cancellation):
        return arrival.reason if arrival.failed else ""
    if arrival.reward is not None or arrival.fatal:
        return ""
    judged = arrival.scores and not any(s.status in INFRASTRUCTURE for s in arrival.scores)
    return "" if judged else arrival.message or "it was not scored"


class Repeats:
    """At most one new request for a group at a time. No I/O."""

    def __init__(self) -> None:
        self._due: dict[str, Disturbance] = {}
        self._newest: dict[str, int] = {}
        self._times: Counter[str] = Counter()

    def add(self, found: Disturbance, *, attempt: int | None = None) -> None:
        """Note a disturbance of the request `attempt`; None: of the newest one.

        What became of an older request is old news: a newer one is under way.
        """
        newest = self._newest.get(found.group_id, 0)
        if attempt is None or attempt >= newest:
            self._due[found.group_id] = found

    def take(self, wanted: Mapping[str, bool]) -> list[Disturbance]:
        """The requests to make now.

        Args:
            wanted: group → whether it was dispatched, for groups that have not ended. One that an
                earlier life of this learner dispatched waits until this one does.
        """
        taken = []
        for group_id, found in list(self._due.items()):
            if wanted.get(group_id) is False:
                continue
            del self._due[group_id]
            if wanted.get(group_id):
                self._newest[group_id] = found.attempt
                self._times[group_id] += 1
                taken.append(replace(found, times=self._times[group_id]))
        return taken
