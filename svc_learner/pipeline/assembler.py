"""Scored completions → groups.

Invariant: every dispatched group ends exactly once: all its completions arrived, or it was
cancelled with what it had. However often and in whatever order messages come, `add` and `cancel`
return a given group at most once.

The log of scores holds the contents, so a checkpoint needs only the open tickets, how far each
series of groups was dispatched, and a position (`cursor`) from which reading again finds every
completion of every group that is still open. A group stays open after its end until `close`: until
its effect is in a checkpoint.

Group ids are `<series>.<number>`; within a series numbers are dispatched in order, from 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from svc_learner.types import Completion, Group, Ticket


@dataclass(slots=True)
class _Arrivals:
    ticket: Ticket | None = None
    completions: dict[str, Completion] = field(default_factory=dict)
    first_sequence: int = 0
    cancelled: str = ""
    ended: bool = False


class Assembler:
    """Owns no tasks and no clients; time does not pass here."""

    def __init__(self, *, cursor: int = 0, frontier: Mapping[str, int] | None = None) -> None:
        self._groups: dict[str, _Arrivals] = {}
        self._frontier = dict(frontier or {})
        self._read = cursor

    @property
    def frontier(self) -> Mapping[str, int]:
        """For each series, the number that is dispatched next."""
        return self._frontier

    @property
    def running(self) -> tuple[Ticket, ...]:
        """Dispatched groups that have not ended, oldest first."""
        return tuple(
            a.ticket for a in self._groups.values() if a.ticket is not None and not a.ended
        )

    @property
    def open(self) -> tuple[Ticket, ...]:
        """Groups that a restarted learner has to know, oldest first."""
        return tuple(a.ticket for a in self._groups.values() if a.ticket is not None)

    @property
    def cursor(self) -> int:
        """Reading after this sequence finds everything that belongs to groups not yet closed."""
        firsts = [a.first_sequence for a in self._groups.values() if a.first_sequence]
        return min([self._read, *(first - 1 for first in firsts)])

    def arrived(self, group_id: str) -> int:
        """How many completions of a group are here."""
        arrivals = self._groups.get(group_id)
        return len(arrivals.completions) if arrivals else 0

    def dispatch(self, ticket: Ticket) -> Group | None:
        """Expect a group. It may have ended already: in an earlier life of this learner."""
        arrivals = self._groups.pop(ticket.group_id, None) or _Arrivals()
        self._groups[ticket.group_id] = arrivals  # re-inserted: order is dispatch order
        arrivals.ticket = ticket
        series, number = _split(ticket.group_id)
        self._frontier[series] = max(self._frontier.get(series, 0), number + 1)
        return self._end(arrivals)

    def add(self, completion: Completion, sequence: int) -> Group | None:
        """Take one scored completion; returns its group when it is the last one."""
        arrivals = self._arrivals(completion.group_id, sequence)
        if arrivals is None or arrivals.ended:
            return None
        arrivals.completions.setdefault(completion.id, completion)
        return self._end(arrivals)

    def disturb(self, group_id: str, sequence: int) -> None:
        """Something became of the group that does not count; reading again must find it again."""
        self._arrivals(group_id, sequence)

    @property
    def awaited(self) -> Mapping[str, bool]:
        """Groups that have not ended, and whether they were dispatched in this life."""
        return {k: a.ticket is not None for k, a in self._groups.items() if not a.ended}

    def ticket(self, group_id: str) -> Ticket | None:
        """Of a group that is not closed."""
        arrivals = self._groups.get(group_id)
        return arrivals.ticket if arrivals else None

    def cancel(self, group_id: str, reason: str, sequence: int = 0) -> Group | None:
        """None of the group's missing completions will come; returns it with those it has."""
        arrivals = self._arrivals(group_id, sequence)
        if arrivals is None or arrivals.ended:
            return None
        arrivals.cancelled = reason or "cancelled"
        return self._end(arrivals)

    def close(self, group_id: str) -> None:
        """The group's effect is in the next checkpoint: whatever still comes of it is ignored."""
        self._groups.pop(group_id, None)

    def _arrivals(self, group_id: str, sequence: int) -> _Arrivals | None:
        self._read = max(self._read, sequence)
        if group_id not in self._groups and self._was_dispatched(group_id):
            return None
        # A number beyond the frontier was dispatched after the checkpoint that this learner started
        # from; the same dispatch comes again, under the same id, and must find what is here already.
        arrivals = self._groups.setdefault(group_id, _Arrivals())
        if sequence and not arrivals.first_sequence:
            arrivals.first_sequence = sequence
        return arrivals

    def _was_dispatched(self, group_id: str) -> bool:
        series, number = _split(group_id)
        return number < self._frontier.get(series, 0)

    @staticmethod
    def _end(arrivals: _Arrivals) -> Group | None:
        ticket = arrivals.ticket
        if ticket is None or arrivals.ended:
            return None
        if not arrivals.cancelled and len(arrivals.completions) < ticket.size:
            return None
        arrivals.ended = True
        members = sorted(arrivals.completions.values(), key=lambda c: c.index)
        return Group(ticket, tuple(members), arrivals.cancelled)


def _split(group_id: str) -> tuple[str, int]:
    series, _, number = group_id.rpartition(".")
    return series, int(number)
