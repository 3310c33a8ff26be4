"""Which learner should run a job: pure decisions over what the live learners say of themselves.

Two rules, one measure. A learner that is offered a job leaves it to another one with a lesser
burden; a learner that would still have more than another one after giving a job away gives one
away. Each move makes the difference of two learners smaller, so moves come to an end.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOADING = 0.5
"""What loading a base model adds to a burden, in jobs: a learner that holds it is preferred among
equals, but an idle one is preferred to one that is at work."""

PATIENCE = 5.0
"""Seconds for which a job is left to others that do not take it. What is known of them may be old."""


@dataclass(frozen=True, slots=True)
class Peer:
    """A learner as the others see it.

    Attributes:
        instance: its name.
        bound: the base models that it is for; empty: any.
        holds: the base models that it has in memory.
        jobs: how many it runs.
        slots: how many it can run at once.
        draining: it is about to end.
    """

    instance: str
    bound: frozenset[str] = frozenset()
    holds: frozenset[str] = frozenset()
    jobs: int = 0
    slots: int = 1
    draining: bool = False

    def accepts(self, base_model: str) -> bool:
        return not self.bound or base_model in self.bound

    def has_room_for(self, base_model: str) -> bool:
        return self.accepts(base_model) and self.jobs < self.slots and not self.draining

    def burden(self, base_model: str) -> float:
        """Of one more job on this base model; less is better."""
        return self.jobs + (0 if base_model in self.holds else LOADING)


def leave_it(base_model: str, me: Peer, others: Iterable[Peer], *, offered: float) -> bool:
    """Whether an offered job is better left to another learner.

    Args:
        base_model: the job's.
        me: this learner, without the job.
        others: the rest of the live ones.
        offered: seconds since the job was offered here for the first time.
    """
    if not me.accepts(base_model):
        return True
    if offered > PATIENCE:
        return False
    mine = me.burden(base_model)
    return any(p.has_room_for(base_model) and p.burden(base_model) < mine for p in others)


def give_away(
    jobs: Sequence[tuple[str, str]], me: Peer, others: Sequence[Peer], *, waiting: int
) -> str | None:
    """The job that another learner should have instead, if any.

    Only the busiest learner gives one away, and nobody does while jobs wait in the queue: whoever
    is free takes those first.

    Args:
        jobs: (id, base model) of those that run here and may move, the one to move first first.
        me: this learner.
        others: the rest of the live ones.
        waiting: jobs in the queue that nobody has taken.
    """
    if waiting or any((p.jobs, p.instance) > (me.jobs, me.instance) for p in others):
        return None
    for job, base_model in jobs:
        if any(p.has_room_for(base_model) and p.burden(base_model) + 1 < me.jobs for p in others):
            return job
    return None
