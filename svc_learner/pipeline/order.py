"""Whose turn it is: the order in which ended groups are judged. No I/O.

A job usually judges a group the moment it ends (`OnArrival`), so nothing waits for a slow row. A
deterministic one judges strictly in the order of dispatch (`InTurn`), and each group only when the
one before has had its whole effect: then every decision follows from the groups before it, and
from nothing that a clock or a crash can change.
"""

from collections import deque
from typing import Protocol

from svc_learner.types import Group


class Order(Protocol):
    """Every group that is added comes out exactly once."""

    def add(self, group: Group) -> None:
        """A group has ended."""

    def next(self) -> Group | None:
        """The group to judge now; None: nobody's turn has come."""

    def __len__(self) -> int:
        """Groups that have ended and wait for their turn."""


class OnArrival:
    """First come, first judged."""

    def __init__(self) -> None:
        self._waiting: deque[Group] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, group: Group) -> None:
        self._waiting.append(group)

    def next(self) -> Group | None:
        return self._waiting.popleft() if self._waiting else None


class InTurn:
    """By number, without a gap: a group that ended early waits for all before it."""

    def __init__(self, first: int) -> None:
        """Begin with the number `first`: that of the oldest group not yet judged."""
        self._turn = first
        self._waiting: dict[int, Group] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, group: Group) -> None:
        self._waiting[group.ticket.number] = group

    def next(self) -> Group | None:
        group = self._waiting.pop(self._turn, None)
        if group is not None:
            self._turn += 1
        return group
