"""How much may be in flight, and what is too old to learn from: two separate mechanisms.

`Pacing.capacity` limits dispatch so that groups come back fresh; it only saves compute. The
guarantee that no group older than the bound is ever trained is `is_stale`, asked again right before
a group is used. Ready groups are used oldest first, so a slow row is never overtaken for ever.
"""

from dataclasses import dataclass

BARREN_BATCHES = 10
"""Unusable groups in a row, in batches, after which going on makes no sense."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """Admission control of AReaL (arXiv:2505.24298, section 5.1).

    With eta = `max_staleness`, B = `batch` groups per step and v steps done,

        capacity = min(max_concurrent - running, (eta + v + 1) B - (accepted + running))

    `accepted` is derived from what is there (v B trained, and the groups used or ready now) and is
    not counted up by events: a filtered, cancelled or stale group leaves it at once, and a
    restarted learner finds the right value by itself. Both are known deadlocks of counters.
    """

    batch: int
    steps: int
    max_staleness: int
    max_concurrent: int
    max_resample: float = 3.0
    """Unusable groups, in batches, after which a step is cut with what it has."""

    @property
    def bound_by_staleness(self) -> bool:
        """Whether the bound on staleness, and not the limit on groups, holds dispatch back."""
        return (self.max_staleness + 1) * self.batch <= self.max_concurrent

    def capacity(self, *, step: int, used: int, ready: int, running: int) -> int:
        """Groups that may be dispatched now.

        Args:
            step: optimizer steps that this stage has done.
            used: groups whose gradients are already in the next step.
            ready: complete groups that wait to be used.
            running: groups that were dispatched and have not ended.
        """
        accepted = step * self.batch + used + ready
        fresh = (self.max_staleness + step + 1) * self.batch - (accepted + running)
        needed = self.steps * self.batch - (accepted + running)
        return max(0, min(self.max_concurrent - running, fresh, needed))

    def cut(self, *, used: int, unusable: int) -> bool:
        """Whether the step is taken now, `unusable` groups having been filtered since the last."""
        return used >= self.batch or (used > 0 and unusable >= self.max_resample * self.batch)

    def barren(self, unusable_in_a_row: int) -> bool:
        """Whether so many groups taught nothing that the stage should end."""
        return unusable_in_a_row >= BARREN_BATCHES * self.batch


def staleness(trainer_version: int, sampler_version: int) -> int:
    """Optimizer steps between the policy that sampled and the one that learns."""
    return trainer_version - sampler_version


def is_stale(trainer_version: int, sampler_version: int, max_staleness: int) -> bool:
    return staleness(trainer_version, sampler_version) > max_staleness
