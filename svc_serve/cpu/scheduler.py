"""Which prompts are read, which completions start and which go on, at each step. No tensors here.

Interactive requests come first at every turn: their prompts are read first, rows are kept free for
them, and while one of them runs, rollouts only join every few steps. Rollouts always go on in the
end, so nobody starves.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from svc_serve.engine import Priority


@dataclass(frozen=True, slots=True)
class Limits:
    """What one step may hold."""

    rows: int = 64
    """Completions that run at the same time."""
    interactive_rows: int = 16
    """More of them, for interactive requests only."""
    prefill_tokens: int = 512
    """Prompt tokens read in one step: bounds how long a long prompt holds up the others."""
    rollout_every: int = 4
    """While an interactive request runs, rollouts join one step in this many."""


@dataclass(slots=True, eq=False)
class Ticket:
    """How far one request is."""

    request_id: str
    priority: Priority
    prompt_tokens: int
    n: int
    prefilled: int = 0
    started: int = 0
    finished: int = 0

    @property
    def unread(self) -> int:
        return self.prompt_tokens - self.prefilled

    @property
    def unstarted(self) -> int:
        return self.n - self.started

    @property
    def running(self) -> int:
        return self.started - self.finished


Begin = Callable[[Ticket], int | None]


@dataclass(slots=True)
class Scheduler:
    """Owns the order of requests and the counts; the caller does what it says and reports back."""

    limits: Limits
    _tickets: list[Ticket] = field(default_factory=list)
    _step: int = 0

    def add(self, ticket: Ticket) -> None:
        """Queue a request behind those of its priority."""
        self._tickets.append(ticket)
        self._tickets.sort(key=lambda each: each.priority)

    def remove(self, ticket: Ticket) -> None:
        self._tickets.remove(ticket)

    def __len__(self) -> int:
        return len(self._tickets)

    def __contains__(self, ticket: Ticket) -> bool:
        return ticket in self._tickets

    @property
    def interactive(self) -> bool:
        """Whether an interactive request is here."""
        return any(ticket.priority is Priority.INTERACTIVE for ticket in self._tickets)

    @property
    def running_rows(self) -> int:
        return sum(ticket.running for ticket in self._tickets)

    @property
    def waiting_rows(self) -> int:
        return sum(ticket.unstarted for ticket in self._tickets)

    def starts(self) -> Iterator[tuple[Ticket, int]]:
        """Requests whose prompt is read, and how many of their completions start now."""
        for ticket in self._tickets:
            if ticket.unread or not ticket.unstarted:
                continue
            count = min(ticket.unstarted, self._free_rows(ticket.priority))
            if count > 0:
                ticket.started += count
                yield ticket, count

    def decodes(self) -> frozenset[Priority]:
        """The priorities whose completions get a token in this step. Call once per step."""
        self._step += 1
        running = frozenset(ticket.priority for ticket in self._tickets if ticket.running)
        if Priority.INTERACTIVE in running and self._step % self.limits.rollout_every:
            return running & {Priority.INTERACTIVE}
        return running

    def prefills(self, begin: Begin) -> Iterator[tuple[Ticket, int]]:
        """Prompts to read on, and how many tokens of each.

        A prompt is begun only when a row is free for it, so that keys and values of prompts do not
        pile up behind a full batch.

        Args:
            begin: Called for a prompt that could be begun: how many of its tokens are known
                already, or None to let it wait for the next step.
        """
        budget = self.limits.prefill_tokens
        # Rows that prompts read so far will take. Counted in order of priority, so that what
        # rollouts hold never keeps an interactive prompt waiting.
        promised = 0
        for ticket in self._tickets:
            if not ticket.prefilled:
                if not budget or self._free_rows(ticket.priority) <= promised:
                    continue
                known = begin(ticket)
                if known is None:
                    continue
                ticket.prefilled = known
            promised += ticket.unstarted
            count = min(ticket.unread, budget)
            if not count:
                continue
            budget -= count
            ticket.prefilled += count
            yield ticket, count

    def _free_rows(self, priority: Priority) -> int:
        extra = self.limits.interactive_rows if priority is Priority.INTERACTIVE else 0
        return max(0, self.limits.rows + extra - self.running_rows)
