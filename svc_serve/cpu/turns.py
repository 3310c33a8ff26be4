"""Whose step it is: that of all shared requests, or of one that must be computed alone.

A matrix product may round differently when other rows are in it. A solo request is therefore never
in a step with others: its batches hold its own rows only, so equal requests give equal tokens and
log probabilities whatever else the engine does. Solo requests are served one after the other.
"""

from dataclasses import dataclass, field

from svc_serve.cpu.scheduler import Limits, Scheduler, Ticket


@dataclass(slots=True)
class Turns:
    """The scheduler of all shared requests, and one for each solo request."""

    limits: Limits
    shared: Scheduler = field(init=False)
    _solos: dict[Ticket, Scheduler] = field(default_factory=dict)
    _step: int = 0

    def __post_init__(self) -> None:
        self.shared = Scheduler(self.limits)

    @property
    def running_rows(self) -> int:
        return sum(scheduler.running_rows for scheduler in self._all)

    @property
    def waiting_rows(self) -> int:
        return sum(scheduler.waiting_rows for scheduler in self._all)

    def add(self, ticket: Ticket, *, solo: bool) -> None:
        scheduler = Scheduler(self.limits) if solo else self.shared
        scheduler.add(ticket)
        if solo:
            self._solos[ticket] = scheduler

    def remove(self, ticket: Ticket) -> None:
        if ticket in self._solos:
            del self._solos[ticket]
        else:
            self.shared.remove(ticket)

    def next(self) -> Scheduler:
        """The scheduler whose requests this step computes. Call once per step.

        Beside shared requests the oldest solo one gets every other step, and no more than rollouts
        get while somebody waits for an interactive one.
        """
        if not self._solos:
            return self.shared
        self._step += 1
        every = self.limits.rollout_every if self.shared.interactive else 2
        oldest = next(iter(self._solos.values()))
        return self.shared if len(self.shared) and self._step % every else oldest

    @property
    def _all(self) -> tuple[Scheduler, ...]:
        return (self.shared, *self._solos.values())
