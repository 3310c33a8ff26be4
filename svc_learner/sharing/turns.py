"""Whose turn it is: fair queueing of several jobs' work on one base model.

Start-time fair queuing (Goyal, Vin, Cheng, SIGCOMM 1996): each job has a virtual time, the cost of
what it was served so far; the waiting job with the least goes next, its own work in the order of
arrival. A job that comes (back) starts at the time of the last turn: an idle job saves no credit
up. So two jobs with work waiting never differ by more than one piece of work of each, however
large one job's pieces are.

Pure: owns no thread, no task and no clock.
"""

import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Turn(Generic[T]):
    """A piece of work in the queue; equal only to itself.

    Attributes:
        job: whose it is.
        cost: what it is charged with, in tokens; 0 for what is short next to a micro-batch.
        work: what to do.
        number: of its arrival, over all jobs.
    """

    job: str
    cost: int
    work: T
    number: int


@dataclass(slots=True)
class _Account(Generic[T]):
    time: float = 0.0
    waiting: deque[Turn[T]] = field(default_factory=deque)


class FairQueue(Generic[T]):
    """Waiting work of all jobs. `forget` a job at its end."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account[T]] = {}
        self._numbers = itertools.count()
        self._now = 0.0

    def __len__(self) -> int:
        return sum(len(account.waiting) for account in self._accounts.values())

    def push(self, job: str, cost: int, work: T) -> Turn[T]:
        account = self._accounts.setdefault(job, _Account(self._now))
        if not account.waiting:
            account.time = max(account.time, self._now)
        turn = Turn(job, cost, work, next(self._numbers))
        account.waiting.append(turn)
        return turn

    def pop(self) -> Turn[T]:
        """The next turn, charged to its job.

        Raises:
            IndexError: nothing waits.
        """
        job = min(
            (job for job, account in self._accounts.items() if account.waiting),
            key=self._rank,
            default=None,
        )
        if job is None:
            raise IndexError("nothing waits")
        self._now = self._accounts[job].time
        return self._serve(job)

    def pop_with(
        self, first: Turn[T], budget: int, joins: Callable[[Turn[T]], bool]
    ) -> list[Turn[T]]:
        """More turns to be done together with `first`, in fair order, as far as the budget goes.

        Only work at the head of its job's queue is looked at, so no job overtakes itself. Who
        rides along fills room that others cannot use: it is charged, but never runs into a debt of
        more than `budget`.

        Args:
            first: what `pop` returned.
            budget: most cost of all together.
            joins: whether a piece of work can be done together with others.
        """
        found: list[Turn[T]] = []
        left = budget - first.cost
        while job := min(
            (
                job
                for job, account in self._accounts.items()
                if account.waiting and account.waiting[0].cost <= left and joins(account.waiting[0])
            ),
            key=self._rank,
            default=None,
        ):
            found.append(self._serve(job))
            account = self._accounts[job]
            account.time = min(account.time, self._now + budget)
            left -= found[-1].cost
        return found

    def drop(self, turn: Turn[T]) -> bool:
        """Take back work that nobody waits for any more; False when it was served already."""
        account = self._accounts.get(turn.job)
        if account is None or turn not in account.waiting:
            return False
        account.waiting.remove(turn)
        return True

    def forget(self, job: str) -> list[Turn[T]]:
        """End a job's account; returns what still waited."""
        account = self._accounts.pop(job, None)
        return list(account.waiting) if account else []

    def _rank(self, job: str) -> tuple[float, int]:
        account = self._accounts[job]
        return account.time, account.waiting[0].number

    def _serve(self, job: str) -> Turn[T]:
        account = self._accounts[job]
        turn = account.waiting.popleft()
        account.time += turn.cost
        return turn
