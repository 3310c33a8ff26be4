"""Makes the states at step boundaries durable, one after the other, and announces what they finished.

A step's gradients do not depend on whether the step before is durable, so saving runs beside them.
What does depend on it waits for `settle`: dispatch, whose groups name the published policy, and
everything that may end or hand over the job.
"""

import asyncio
from dataclasses import dataclass

from burnish.run_spec import Checkpoints
from burnish.stopping import stop
from svc_learner.channel import Channel
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.progress import Progress
from svc_learner.state.retention import Marks
from svc_learner.state.store import RunStore


@dataclass(frozen=True, slots=True)
class Boundary:
    """One state of a job, apart from the live one. `publish`: its adapter is a policy version."""

    checkpoint: Checkpoint
    marks: Marks
    message: str
    publish: bool


class Saver:
    """Owns at most one task."""

    def __init__(
        self, store: RunStore, channel: Channel, *, base_model: str, rank: int, config: Checkpoints
    ) -> None:
        self._store = store
        self._channel = channel
        self._base_model = base_model
        self._rank = rank
        self._config = config
        self._task: asyncio.Task[None] | None = None

    @property
    def busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self, boundary: Boundary) -> asyncio.Task[None]:
        """Save meanwhile; call `settle` first."""
        self._task = asyncio.create_task(self._save(boundary))
        return self._task

    async def settle(self) -> None:
        """Wait until what was begun is durable and announced.

        Raises:
            TakenOverError: another learner has the job.
            RetryableError: the infrastructure stayed away for too long.
        """
        if self._task is not None:
            await self._task
            self._task = None

    async def abandon(self) -> None:
        """Leave the checkpoint that stands; what is half written is swept by who goes on."""
        if self._task is not None:
            await stop([self._task])

    async def announce(self, progress: Progress, *, policy: bool) -> None:
        """Publish what the checkpoint that stands has finished. Repeating it changes nothing."""
        channel = self._channel
        if policy and self._store.run.HasField("adapter"):
            await self._store.register_adapter()
            channel.adapter = self._store.run.adapter
            await channel.announce_policy(self._store.run.adapter)
        for record in progress.steps_to_announce:
            await channel.announce_step(record)
        for change in progress.reward_changes:
            await channel.announce_rewards(change)
        for advance in progress.advances:
            await channel.announce_advance(advance)
        for alarm in progress.alarms:
            await channel.announce_alarm(alarm)

    async def _save(self, boundary: Boundary) -> None:
        checkpoint = boundary.checkpoint
        progress = checkpoint.progress
        if progress.best is not None:
            await self._store.name_best(progress.best.adapter)
        if boundary.publish:
            await self._store.publishable(
                self._base_model, progress.version, self._rank, checkpoint.adapter
            )
        await self._store.commit(
            checkpoint, message=boundary.message, marks=boundary.marks, config=self._config
        )
        self._channel.reward_set = progress.reward_set
        await self.announce(progress, policy=boundary.publish)
