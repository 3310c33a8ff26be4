"""What all phases of one running job share: policy, progress, groups, and the way to save them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from burnish.datasets import Dataset, DatasetRow
from burnish.errors import UserError
from burnish.spec import JobSpec
from svc_learner.base import BaseModel
from svc_learner.batching import pack
from svc_learner.channel import Channel
from svc_learner.checkpoint import Checkpoint
from svc_learner.config import LearnerSettings
from svc_learner.desk import GroupDesk
from svc_learner.evaluation import Evaluations
from svc_learner.metrics import Tally
from svc_learner.policy import Objective, Policy
from svc_learner.progress import Progress
from svc_learner.reward_sets import RewardChange
from svc_learner.store import RunStore
from svc_learner.types import Group, Sample, StepRecord


@dataclass(slots=True)
class Clock:
    """Seconds of the present step, by what they went into."""

    started: float = field(default_factory=time.monotonic)
    waiting: float = 0.0
    training: float = 0.0

    @property
    def total(self) -> float:
        return time.monotonic() - self.started

    def metrics(self, tokens: int) -> dict[str, float]:
        """Call once, at the step's end."""
        total = self.total
        return {
            "seconds/waiting": self.waiting,
            "seconds/training": self.training,
            "seconds/total": total,
            "tokens_per_second": tokens / total if total > 0 else 0.0,
        }


class Session:
    """One job in progress on one learner."""

    def __init__(
        self,
        *,
        job_id: str,
        spec: JobSpec,
        settings: LearnerSettings,
        base: BaseModel,
        policy: Policy,
        progress: Progress,
        rows: Dataset,
        held_out: Sequence[DatasetRow],
        channel: Channel,
        desk: GroupDesk,
        store: RunStore,
    ) -> None:
        self.job_id = job_id
        self.spec = spec
        self.settings = settings
        self.base = base
        self.policy = policy
        self.progress = progress
        self.rows = rows
        self.desk = desk
        self.clock = Clock()
        self.stage = ""
        self.message = ""
        self.optimizer: bytes | None = None
        """Of the checkpoint that this learner continues from; the first stage takes it."""
        self.evaluations = Evaluations(
            job_id, held_out, spec.evaluation, channel=channel, desk=desk
        )
        self.evaluations.restore(progress.evaluations)
        self._channel = channel
        self._store = store
        self._next_complaint = settings.learner_stall_seconds

    async def demonstrations(self) -> list[Sample]:
        """The labelled rows, as tokens.

        Raises:
            UserError: a row does not fit into the model's context.
        """
        return await asyncio.to_thread(lambda: [self._tokens(row) for row in self.rows.labelled])

    def _tokens(self, row: DatasetRow) -> Sample:
        prompt = self.base.prompt_tokens(row.messages)
        answer = self.base.completion_tokens(row.completion or "")
        if len(prompt) + len(answer) > self.base.context:
            raise UserError(
                f"Row {row.id} has {len(prompt) + len(answer)} tokens; "
                f"{self.base.name} reads {self.base.context}.",
                field="training_file",
                hint="shorten or remove it",
            )
        return Sample(prompt, answer)

    async def say(self, message: str) -> None:
        """Tell people what happens now."""
        self.message = message
        await self._channel.update(self.stage, message)

    async def start_stage(self, learning_rate: float) -> None:
        """A new optimizer, or the one of the checkpoint when the stage had begun."""
        await self.base.run(self.policy.start_stage, learning_rate)
        if self.progress.step and self.optimizer is not None:
            await self.base.run(self.policy.load_optimizer_state, self.optimizer)
        self.optimizer = None
        self.clock = Clock()

    async def learn(self, samples: Sequence[Sample], objective: Objective) -> Tally:
        """Add the samples' gradients, one micro-batch at a time: other jobs go in between."""
        started = time.monotonic()
        tally = Tally()
        for batch in pack(samples, self.settings.learner_batch_tokens):
            tally.add(await self.base.run(self.policy.accumulate, batch, objective))
        self.clock.training += time.monotonic() - started
        return tally

    async def take_step(self, shares: Mapping[str, float]) -> float:
        """One optimizer step; returns the gradient's norm."""
        norm = await self.base.run(self.policy.step, shares)
        self.progress.version += 1
        self.progress.step += 1
        return norm

    def record(self, metrics: Mapping[str, float], groups: Sequence[str] = ()) -> None:
        """Note a step; it is announced once it is durable."""
        record = StepRecord(self.stage, self.progress.version, dict(metrics), tuple(groups))
        self.progress.steps_to_announce.append(record)
        self.clock = Clock()

    async def wait(self, *, block: bool = True) -> list[Group]:
        """Groups that ended, evaluations' aside; says so when nothing comes for long."""
        started = time.monotonic()
        pause = min(5.0, self.settings.learner_stall_seconds / 3) if block else 0
        groups = await self.desk.wait(pause)
        self.clock.waiting += time.monotonic() - started
        await self._explain_stall()
        return [group for group in groups if not await self.evaluations.take(group)]

    async def save(self, *, publish: bool) -> None:
        """Make the present state durable, then announce what it finished."""
        change = self._change_of_rewards()
        if change is not None:
            self.progress.reward_set = change.after
            self.progress.reward_changes.append(change)
        progress = replace(
            self.progress,
            cursor=self.desk.assembler.cursor,
            frontier=dict(self.desk.assembler.frontier),
            open=list(self.desk.assembler.open),
            evaluations=list(self.evaluations.open),
        )
        adapter, optimizer = await self.base.run(self._tensors)
        if publish:
            await self._store.publishable(
                self.base.name, progress.version, self.spec.lora.rank, adapter
            )
        await self._store.commit(Checkpoint(progress, adapter, optimizer), message=self.message)
        self._channel.reward_set = progress.reward_set
        await self.announce(policy=publish)

    async def announce(self, *, policy: bool) -> None:
        """Publish what the checkpoint that stands has finished. Repeating it changes nothing."""
        if policy and self._store.run.HasField("adapter"):
            await self._store.register_adapter()
            self._channel.adapter = self._store.run.adapter
            await self._channel.announce_policy(self._store.run.adapter)
        for record in self.progress.steps_to_announce:
            await self._channel.announce_step(record)
        self.progress.steps_to_announce.clear()
        for change in self.progress.reward_changes:
            await self._channel.announce_rewards(change)
        self.progress.reward_changes.clear()

    def _change_of_rewards(self) -> RewardChange | None:
        """Rewards change at step boundaries only, and in the checkpoint of that boundary."""
        step, before = self.progress.version + 1, self.progress.reward_set
        after = self._channel.reward_set_for(step)
        return None if after == before else RewardChange(step, before, after)

    def _tensors(self) -> tuple[bytes, bytes]:
        return self.policy.adapter.save(), self.policy.optimizer_state()

    async def _explain_stall(self) -> None:
        """After the first silence, and each time that it has doubled."""
        silence, missing = self.desk.silence, self.desk.missing
        if silence >= self._next_complaint and missing:
            self._next_complaint = 2 * silence
            await self.say(
                f"waiting {silence:.0f} s for scores of {missing} groups: "
                "are the rollout, serve and reward services running?"
            )
        elif silence < self.settings.learner_stall_seconds < self._next_complaint:
            self._next_complaint = self.settings.learner_stall_seconds
            await self.say("scores are coming in again")
