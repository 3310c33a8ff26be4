"""Rank 0: gives all ranks their part of the work, and adds up what comes back."""

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from torch import Tensor

from burnish.errors import UserError
from burnish.logs import get_logger
from svc_learner.algorithms.metrics import Tally
from svc_learner.config import LearnerSettings
from svc_learner.distributed import loading, passes
from svc_learner.distributed.commands import Adapter, Free, Learn, Load, Part, Stop
from svc_learner.distributed.passes import Result
from svc_learner.distributed.ranks import Ranks, leave
from svc_learner.distributed.shard import ShardedModel
from svc_learner.engine.adapter import LoraAdapter
from svc_learner.engine.lesson import Lesson
from svc_learner.engine.policy import Policy

log = get_logger(__name__)

STOP_SECONDS = 5.0
"""How long the end of the learner waits for a pass that is still running."""


class Leader:
    """Any thread may call it: one command is carried out at a time.

    When another rank is lost in the middle of one, the process ends.
    """

    def __init__(self, ranks: Ranks, settings: LearnerSettings) -> None:
        self._ranks = ranks
        self._settings = settings
        self._turn = threading.Lock()
        self._adapters = _Adapters()

    @property
    def size(self) -> int:
        return self._ranks.size

    def load(self, name: str) -> ShardedModel:
        """A base model, sharded over all ranks.

        Raises:
            UserError: some rank has no such model, or it cannot be sharded.
        """
        with self._together():
            self._ranks.tell(Load(name))
            base = loading.load(name, self._settings, self._ranks)
        base.on_close = lambda: threading.Thread(target=self._free, args=(name,)).start()
        log.info("base.sharded", base_model=name, ranks=self.size)
        return base

    def outcomes(self, lessons: Sequence[Lesson], _budget: int) -> list[Tally | Exception]:
        """Learn from each lesson, as many at once as there are ranks.

        Gradients are added in the order of the lessons, whichever rank they come from.
        """
        tallies: list[Tally | Exception] = []
        for start in range(0, len(lessons), self.size):
            with self._together():
                tallies += self._learn(lessons[start : start + self.size])
        return tallies

    def stop(self) -> None:
        """End the other ranks; call it last."""
        if self._turn.acquire(timeout=STOP_SECONDS):
            self._ranks.tell(Stop())

    def _free(self, name: str) -> None:
        with self._together():
            self._ranks.tell(Free(name))

    def _learn(self, lessons: Sequence[Lesson]) -> list[Tally]:
        policies = {self._adapters.key(each.policy.adapter): each.policy for each in lessons}
        command = self._command(lessons, policies)
        self._ranks.tell(command)
        for adapter in command.adapters:
            if adapter.fresh:
                self._ranks.share(policies[adapter.key].adapter.flat.detach())
        own = passes.learn(command, policies, rank=0)
        others = self._ranks.gather(own.tally if own else None)
        found: list[Tally] = []
        for rank, (lesson, tally) in enumerate(zip(lessons, others, strict=False)):
            gradient = self._gradient(rank, own, lesson)
            lesson.policy.add(lesson.objective.sum_name, gradient)
            found.append(tally or Tally())
        return found

    def _command(self, lessons: Sequence[Lesson], policies: Mapping[int, Policy]) -> Learn:
        return Learn(
            base=lessons[0].policy.base.name,
            adapters=tuple(self._adapters.used(key, p.adapter) for key, p in policies.items()),
            parts=tuple(
                Part(self._adapters.key(each.policy.adapter), each.batch, each.objective)
                for each in lessons
            ),
            forgotten=self._adapters.take_forgotten(),
        )

    def _gradient(self, rank: int, own: Result | None, lesson: Lesson) -> Tensor:
        if rank == 0 and own is not None:
            return own.gradient
        return self._ranks.receive(lesson.policy.adapter.flat.detach(), rank)

    @contextmanager
    def _together(self) -> Iterator[None]:
        """While it lasts, no other command comes between."""
        with self._turn:
            try:
                yield
            except UserError:  # on all ranks alike: they still are in step
                raise
            except Exception as error:
                log.exception("ranks.lost")
                leave(0, error)


class _Adapters:
    """What the other ranks know of rank 0's adapters."""

    def __init__(self) -> None:
        self._keys: weakref.WeakKeyDictionary[LoraAdapter, int] = weakref.WeakKeyDictionary()
        self._known: dict[int, int] = {}
        self._forgotten: list[int] = []
        self._next = 0

    def key(self, adapter: LoraAdapter) -> int:
        if adapter not in self._keys:
            self._keys[adapter] = self._next
            weakref.finalize(adapter, partial(self._forgotten.append, self._next))
            self._next += 1
        return self._keys[adapter]

    def used(self, key: int, adapter: LoraAdapter) -> Adapter:
        """Whether the others have its values; they will have them after this command."""
        fresh = self._known.get(key) != adapter.version
        self._known[key] = adapter.version
        return Adapter(key, adapter.rank, adapter.alpha, fresh)

    def take_forgotten(self) -> tuple[int, ...]:
        """Keys of adapters that are gone since the last command."""
        gone = tuple(self._forgotten)
        del self._forgotten[: len(gone)]
        for key in gone:
            self._known.pop(key, None)
        return gone
