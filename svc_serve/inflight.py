"""Requests in progress, under the ids that their askers know."""

import contextlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from burnish.errors import RetryableError


@dataclass(slots=True, eq=False)
class Ticket:
    """One request. Its jobs' ids in the engine are never used again."""

    prefix: str
    jobs: list[str] = field(default_factory=list)
    superseded: bool = False

    def job_id(self) -> str:
        """The id for the next of the request's jobs."""
        self.jobs.append(f"{self.prefix}.{len(self.jobs)}")
        return self.jobs[-1]

    def check(self) -> None:
        """Call before passing anything on to the asker.

        Raises:
            RetryableError: The same request came again: its asker is taken for dead, and must not
                see the cancelled rest as completions.
        """
        if self.superseded:
            raise RetryableError("the same request arrived again and was started anew")


class Inflight:
    """Finds a request's jobs when it is cancelled, or asked for again."""

    def __init__(self, cancel: Callable[[str], None]) -> None:
        self._cancel = cancel
        self._tickets: dict[str, Ticket] = {}
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return len(self._tickets)

    @contextlib.contextmanager
    def open(self, request_id: str) -> Iterator[Ticket]:
        """A request's lifetime. One of the same id that still runs ends."""
        older = self._tickets.get(request_id)
        if older is not None:
            older.superseded = True
            self._cancel_jobs(older)
        ticket = Ticket(f"{request_id}#{next(self._numbers)}")
        self._tickets[request_id] = ticket
        try:
            yield ticket
        finally:
            if self._tickets.get(request_id) is ticket:
                del self._tickets[request_id]

    def cancel(self, request_id: str) -> None:
        """End a request's completions early. Unknown ids are ignored."""
        ticket = self._tickets.get(request_id)
        if ticket is not None:
            self._cancel_jobs(ticket)

    def _cancel_jobs(self, ticket: Ticket) -> None:
        for job in ticket.jobs:
            self._cancel(job)
