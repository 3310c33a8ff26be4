"""The base models that this learner holds in memory."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

from burnish import models
from burnish.logs import get_logger
from svc_learner.config import LearnerSettings
from svc_learner.engine import memory, probe
from svc_learner.engine.base import BaseModel
from svc_learner.engine.lesson import outcomes
from svc_learner.sharing.shared_base import Outcomes, SharedBase

log = get_logger(__name__)

Load = Callable[[str], BaseModel]


@dataclass(slots=True)
class _Held:
    """A base model, and how many jobs use it."""

    shared: SharedBase
    users: int = 0
    left: float = field(default_factory=time.monotonic)
    """When its last user left."""


class BaseModels:
    """Each is loaded once, on first use, and freed when nobody has used it for long.

    Args:
        settings: where models are, and how to hold them.
        load: reads one; blocks for seconds.
        outcomes: how micro-batches are learned from.
        ranks: how many of them at once.
    """

    def __init__(
        self,
        settings: LearnerSettings,
        load: Load | None = None,
        *,
        outcomes: Outcomes = outcomes,
        ranks: int = 1,
    ) -> None:
        self._settings = settings
        self._share = partial(
            SharedBase, budget=settings.learner_batch_tokens, outcomes=outcomes, ranks=ranks
        )
        self._load = load or partial(read, settings)
        self._held: dict[str, _Held] = {}
        self._lock = asyncio.Lock()

    @property
    def held(self) -> dict[str, SharedBase]:
        """By name."""
        return {name: held.shared for name, held in self._held.items()}

    def users(self, name: str) -> int:
        """Jobs that use a base model now."""
        return self._held[name].users if name in self._held else 0

    @asynccontextmanager
    async def use(self, name: str) -> AsyncIterator[SharedBase]:
        """The base model, which stays in memory for as long as it is used.

        Raises:
            UserError: there is no such model, or it cannot be loaded.
        """
        async with self._lock:
            if name not in self._held:
                base = await asyncio.to_thread(self._load, name)
                self._held[name] = _Held(self._share(base))
            held = self._held[name]
            held.users += 1
        try:
            yield held.shared
        finally:
            held.users -= 1
            held.left = time.monotonic()

    def free_idle(self) -> None:
        """Give the memory back of base models that nobody has used for long."""
        oldest = time.monotonic() - self._settings.learner_base_idle_seconds
        idle = [name for name, held in self._held.items() if not held.users and held.left <= oldest]
        for name in idle:
            self._held.pop(name).shared.base.close()
            log.info("base.freed", base_model=name)
        if idle:
            memory.release()

    def close(self) -> None:
        for held in self._held.values():
            held.shared.base.close()


def read(settings: LearnerSettings, name: str) -> BaseModel:
    """Load a base model as the settings want it. Blocks for seconds.

    Raises:
        UserError: there is no such model, or it cannot be loaded.
    """
    base = BaseModel.load(
        name,
        models.ensure(name, settings.models_dir.expanduser()),
        device=settings.learner_device,
        dtype=settings.learner_dtype,
        threads=settings.learner_threads,
    )
    probe.check(base)
    if settings.learner_gradient_checkpointing:
        base.checkpoint_gradients()
    return base
