"""Which set of rewards the next step's groups carry: a pure decision at each step boundary.

Sets are numbered in the order of their making and never change. A set takes effect at the first
boundary at which its step has come, and never gives way to an older one: an update that is made
later replaces one that still waits for its step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FIRST = 1
"""The number of the set that the job was created with."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A set as the decision sees it; `from_step` 0 is the next boundary."""

    number: int
    from_step: int


@dataclass(frozen=True, slots=True)
class RewardChange:
    """A set took effect: kept in the checkpoint until its event is surely out."""

    step: int
    """The first step whose new groups carry it."""
    before: int
    after: int


def in_force(candidates: Sequence[Candidate], current: int, step: int) -> int:
    """The number of the set for groups dispatched from the boundary before `step` on."""
    due = [c.number for c in candidates if c.from_step <= step]
    return max([current, *due])
