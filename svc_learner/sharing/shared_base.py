"""Seats of several jobs at the one thread of a base model.

Whose work is done next is decided by `FairQueue`. Micro-batches of different jobs go through the
layers together as far as the budget of tokens goes: small ones cost less that way, large ones never
cost more. Whatever fails together is repeated one by one: a job's failure is its own.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar, cast

from svc_learner.algorithms.metrics import Tally
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import MicroBatch
from svc_learner.engine.lesson import Lesson, outcomes
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.engine.split import spread
from svc_learner.sharing.shares import Shares
from svc_learner.sharing.turns import FairQueue, Turn
from svc_learner.types import Sample

P = ParamSpec("P")
R = TypeVar("R")

Outcomes = Callable[[Sequence[Lesson], int], list[Tally | Exception]]
"""Learns from micro-batches within a budget of tokens; failures stand in the place of results."""


@dataclass(frozen=True, slots=True)
class _Ask:
    """Work, and who waits for it."""

    work: Callable[[], object] | Lesson
    answer: asyncio.Future[object]


class SharedBase:
    """Gives a base model's thread its work, one turn at a time.

    Args:
        base: the base model.
        budget: tokens of one forward and backward pass, over all jobs that share it.
        outcomes: how micro-batches are learned from.
        ranks: processes that hold the base together; each learns from a micro-batch of its own.
    """

    def __init__(
        self,
        base: BaseModel,
        *,
        budget: int,
        outcomes: Outcomes = outcomes,
        ranks: int = 1,
    ) -> None:
        self.base = base
        self.budget = budget
        self.ranks = ranks
        self._outcomes = outcomes
        self.shares = Shares()
        self.busy_seconds = 0.0
        """Of the thread, in all."""
        self._seated: set[str] = set()
        self._queue: FairQueue[_Ask] = FairQueue()
        self._serving: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Pieces of work in the queue."""
        return len(self._queue)

    @contextmanager
    def seat(self, job: str, *, solo: bool = False) -> Iterator["Seat"]:
        """A job's access to the thread; what still waits at its end is dropped.

        Args:
            job: its id.
            solo: its micro-batches are never mixed with those of others, nor cut in another way.
        """
        self._seated.add(job)
        try:
            yield Seat(self, job, solo=solo)
        finally:
            self._seated.discard(job)
            for turn in self._queue.forget(job):
                turn.work.answer.cancel()
            self.shares.forget(job)

    def ask(
        self, job: str, cost: int, work: Callable[[], object] | Lesson
    ) -> tuple[Turn[_Ask], asyncio.Future[object]]:
        """Queue work; whoever gives up waiting calls `drop`."""
        answer: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        turn = self._queue.push(job, cost, _Ask(work, answer))
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve())
        return turn, answer

    def drop(self, turn: Turn[_Ask]) -> None:
        self._queue.drop(turn)

    async def _serve(self) -> None:
        while len(self._queue):
            first = self._queue.pop()
            turns = [first]
            if self.ranks > 1 and _is_lesson(first):
                turns += self._queue.pop_with(first, self.budget * self.ranks, _is_lesson)
            elif _joins(first):
                turns += self._queue.pop_with(first, self.budget, _joins)
            started = time.monotonic()
            await self._do([turn.work for turn in turns])
            self.busy_seconds += time.monotonic() - started
            for turn in turns:
                if turn.job in self._seated:  # it may have left meanwhile
                    self.shares.add(turn.job, turn.cost, time.monotonic())
            # Whoever waited for this asks for more before the next turn is chosen.
            await asyncio.sleep(0)

    async def _do(self, asks: Sequence[_Ask]) -> None:
        work = asks[0].work
        try:
            if isinstance(work, Lesson):
                lessons = [cast("Lesson", ask.work) for ask in asks]
                found: Sequence[object] = await self.base.run(self._outcomes, lessons, self.budget)
            else:
                found = [await self.base.run(work)]
        except Exception as error:  # noqa: BLE001  it belongs to whoever asked
            found = [error] * len(asks)
        for ask, answer in zip(asks, found, strict=True):
            if ask.answer.done():  # given up
                continue
            if isinstance(answer, Exception):
                ask.answer.set_exception(answer)
            else:
                ask.answer.set_result(answer)


class Seat:
    """One job's side. Build it with `SharedBase.seat`."""

    def __init__(self, shared: SharedBase, job: str, *, solo: bool) -> None:
        self._shared = shared
        self._job = job
        self._solo = solo

    @property
    def base(self) -> BaseModel:
        return self._shared.base

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Do what is short next to a micro-batch, when it is this job's turn."""
        turn, answer = self._shared.ask(self._job, 0, partial(work, *args, **kwargs))
        try:
            return cast("R", await answer)
        finally:
            self._shared.drop(turn)

    def _batches(self, samples: Sequence[Sample]) -> list[MicroBatch]:
        """A solo job's sums do not depend on how many ranks there are."""
        ranks = 1 if self._solo else self._shared.ranks
        return spread(samples, self._shared.budget, ranks)

    async def learn(self, policy: Policy, samples: Sequence[Sample], objective: Objective) -> Tally:
        """Add the samples' gradients to the objective's sum, in micro-batches.

        Raises:
            UserError: there is too little memory for them.
        """
        asked = [
            self._shared.ask(
                self._job, len(batch.tokens), Lesson(policy, batch, objective, solo=self._solo)
            )
            # All at once: only work that waits can be compared with that of others.
            for batch in self._batches(samples)
        ]
        tally = Tally()
        try:
            for _, answer in asked:
                tally.add(cast("Tally", await answer))
        finally:
            for turn, answer in asked:
                self._shared.drop(turn)
                _forget(answer)
        return tally


def _is_lesson(turn: Turn[_Ask]) -> bool:
    return isinstance(turn.work.work, Lesson)


def _joins(turn: Turn[_Ask]) -> bool:
    work = turn.work.work
    return isinstance(work, Lesson) and not work.solo


def _forget(answer: asyncio.Future[object]) -> None:
    """Nobody looks at it any more: say so, or asyncio complains of an error that was never read."""
    if answer.done():
        if not answer.cancelled():
            answer.exception()
    else:
        answer.cancel()
