"""What all phases of one running job share: policy, progress, groups, and the way to save them."""

import asyncio
import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from burnish.datasets import Dataset, DatasetRow
from burnish.errors import UserError
from burnish.spec import JobSpec
from burnish.stage_spec import RlStage, Sampling, SftStage
from svc_learner.algorithms.metrics import Tally
from svc_learner.algorithms.schedule import factor
from svc_learner.channel import Channel
from svc_learner.config import LearnerSettings
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.evaluation.evaluations import Evaluations
from svc_learner.pipeline import stall, telemetry
from svc_learner.pipeline.clock import Clock
from svc_learner.pipeline.desk import GroupDesk
from svc_learner.rest import HandedOverError, Pause, Rest
from svc_learner.saver import Boundary, Saver
from svc_learner.sharing.shared_base import Seat
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.progress import Progress
from svc_learner.state.retention import Marks
from svc_learner.state.reward_sets import RewardChange
from svc_learner.state.said import unsaid
from svc_learner.state.store import RunStore
from svc_learner.types import Alarm, Group, Sample, StepRecord


class Session:
    """One job in progress on one learner."""

    def __init__(
        self,
        *,
        job_id: str,
        spec: JobSpec,
        settings: LearnerSettings,
        seat: Seat,
        policy: Policy,
        progress: Progress,
        rows: Dataset,
        held_out: Sequence[DatasetRow],
        channel: Channel,
        desk: GroupDesk,
        store: RunStore,
        rest: Rest,
    ) -> None:
        self.job_id = job_id
        self.spec = spec
        self.settings = settings
        self.seat = seat
        self.base = seat.base
        self.policy = policy
        self.progress = progress
        self.rows = rows
        self.desk = desk
        self.clock = Clock()
        self.stage = ""
        self.stage_index = 0
        """Of the spec's stages: the present one, or the one before an evaluation."""
        self.message = ""
        self.optimizer: bytes | None = None
        """Of the checkpoint that this learner continues from; the first stage takes it."""
        self.evaluations = Evaluations(
            job_id,
            held_out,
            spec,
            channel=channel,
            desk=desk,
            progress=progress,
            alarm=self.alarm,
        )
        self._schedule: Callable[[int], float] = lambda _: 1.0
        self._learning_rate = 0.0
        self._channel = channel
        self._held_out = held_out
        self._sampling = Sampling()
        self._saver = Saver(
            store,
            channel,
            base_model=seat.base.name,
            rank=spec.lora.rank,
            config=spec.checkpoints,
        )
        self._rest = rest
        self._counted = time.monotonic()
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

    def alarm(self, alarm: Alarm) -> None:
        """Note an alarm; it is announced once it is durable."""
        self.progress.alarms.append(alarm)
        if alarm.paused:
            self._rest.request(f"alarm: {alarm.message}")

    def heed_alarms(self) -> None:
        """Pause for alarms of the checkpoint, if the learner before died before it could."""
        for alarm in self.progress.alarms:
            if alarm.paused:
                self._rest.request(f"alarm: {alarm.message}")

    @property
    def waits_for_evaluations(self) -> bool:
        """Whether the next step depends on the evaluations that are under way."""
        early = self.spec.early_stopping
        return self.spec.deterministic and bool(early.patience or early.target is not None)

    async def start_stage(self, config: SftStage | RlStage, steps: int) -> None:
        """A new optimizer, or the one of the checkpoint when the stage had begun."""
        self._schedule = partial(factor, config, steps=steps)
        self._learning_rate = config.learning_rate
        if isinstance(config, RlStage):
            self._sampling = config.sampling
        await self.seat.run(self.policy.start_stage, config.learning_rate, config.max_grad_norm)
        if self.progress.step and self.optimizer is not None:
            await self.seat.run(self.policy.load_optimizer_state, self.optimizer)
        self.optimizer = None
        self.clock = Clock()

    async def learn(self, samples: Sequence[Sample], objective: Objective) -> Tally:
        """Add the samples' gradients, by micro-batches: other jobs go in between, or along."""
        started = time.monotonic()
        tally = await self.seat.learn(self.policy, samples, objective)
        # Sampled completions count when their group is closed.
        self.progress.usage.tokens += sum(
            len(s.prompt) + len(s.tokens) for s in samples if s.logprobs is None
        )
        self.clock.training += time.monotonic() - started
        return tally

    async def take_step(self, shares: Mapping[str, float]) -> dict[str, float]:
        """One optimizer step; returns its metrics."""
        rate = self._schedule(self.progress.step)
        norm = await self.seat.run(self.policy.step, shares, rate)
        self.progress.version += 1
        self.progress.step += 1
        self.progress.usage.steps += 1
        return {"grad_norm": norm, "learning_rate": rate * self._learning_rate}

    def record(
        self, metrics: Mapping[str, float], groups: Sequence[str] = (), bottleneck: str = ""
    ) -> None:
        """Note a step; it is announced once it is durable."""
        self._count_usage()
        usage = replace(self.progress.usage)
        record = StepRecord(
            self.stage, self.progress.version, dict(metrics), tuple(groups), bottleneck, usage
        )
        self.progress.steps_to_announce.append(record)
        telemetry.STEPS.labels(self.stage).inc()
        self.clock = Clock()

    async def wait(self, *, block: bool = True) -> list[Group]:
        """Groups that ended, evaluations' aside; says so when nothing comes for long."""
        started = time.monotonic()
        pause = min(5.0, self.settings.learner_stall_seconds / 3) if block else 0
        groups = await self.desk.wait(pause)
        await self._ask_again()
        self.clock.wait(started, time.monotonic())
        await self._explain_stall()
        self._rest_in_silence()
        return [group for group in groups if not await self.evaluations.take(group)]

    def _rest_in_silence(self) -> None:
        """The boundary may be far away: a step that was begun is repeated from the log.

        Raises:
            JobPausedError: a pause is due, and nothing has come for long.
        """
        if self.desk.silence >= self.settings.learner_stall_seconds:
            self._count_usage()
            pause = self._rest.due(self.progress.usage, stepping=False)
            if pause is not None:
                raise self._rest.take(pause)

    async def _ask_again(self) -> None:
        """Of a deterministic job: for groups that the infrastructure disturbed.

        Raises:
            JobPausedError: one of them was asked for again and again.
        """
        for ticket, found in self.desk.disturbed():
            if found.hopeless:
                raise self._rest.take(Pause(f"{found.group_id} does not come back: {found.reason}"))
            rows = self._held_out if ticket.label else self.rows.rows
            sampling = self.spec.evaluation.sampling if ticket.label else self._sampling
            await self.desk.dispatch_again(
                ticket, rows[ticket.row], sampling, attempt=found.attempt
            )

    @property
    def kept(self) -> bool:
        """Whether the job asks for this step's checkpoint to be kept."""
        every = self.spec.checkpoints.every_steps
        return bool(every) and self.progress.version % every == 0

    def request_pause(self, reason: str) -> None:
        """Stop at the next step boundary, until the job's owner resumes it."""
        self._rest.request(reason)

    async def boundary(self, *, stepping: bool) -> None:
        """Nothing is half learned here: the job may rest. `stepping`: a step comes next.

        Raises:
            JobPausedError: somebody wants it to, or its budget is used up.
            HandedOverError: another learner is to go on with it.
        """
        self._count_usage()
        pause = self._rest.due(self.progress.usage, stepping=stepping)
        if pause is not None:
            await self.save(publish=False)
            pause = self._rest.due(self.progress.usage, stepping=stepping)
        if pause is not None:  # its owner did not resume it meanwhile
            raise self._rest.take(pause)
        if self._rest.hand_over:
            await self.say("handed over to the next learner that is free")
            await self.save(publish=False)
            raise HandedOverError

    def _count_usage(self) -> None:
        now = time.monotonic()
        self.progress.usage.seconds += now - self._counted
        self._counted = now
        self.progress.usage.tokens += self.desk.take_tokens()

    def explain_waiting(self, group: Group) -> None:
        """What was waited for until now was this group."""
        arrival = self.desk.last_arrival(group)
        if arrival is not None:
            idle = self.desk.sampled.idle_before(arrival.dispatched)
            self.clock.explain(arrival, idle=idle)

    async def save(self, *, publish: bool, ends_stage: bool = False) -> None:
        """Make the present state durable, then announce what it finished."""
        await self.save_meanwhile(publish=publish, ends_stage=ends_stage)
        await self.settle()

    async def save_meanwhile(self, *, publish: bool, ends_stage: bool = False) -> None:
        """Take the present state; it becomes durable, and is announced, beside what comes next."""
        await self.settle()
        started = time.monotonic()
        self._count_usage()
        change = self._change_of_rewards()
        if change is not None:
            self.progress.reward_set = change.after
            self.progress.reward_changes.append(change)
        progress = replace(
            copy.deepcopy(self.progress),
            cursor=self.desk.assembler.cursor,
            frontier=dict(self.desk.assembler.frontier),
            open=list(self.desk.assembler.open),
            evaluations=list(self.evaluations.open),
        )
        self.progress.forget_announcements()
        marks = Marks(
            stage=self.stage,
            stage_index=self.stage_index,
            ends_stage=ends_stage,
            best=progress.best.step if progress.best else None,
            evaluated={each.policy_version for each in progress.evaluations},
            measured=dict(self.evaluations.measures),
        )
        self.evaluations.measures.clear()
        adapter, optimizer = await self.seat.run(self._tensors)
        saving = self._saver.begin(
            Boundary(Checkpoint(progress, adapter, optimizer), marks, self.message, publish)
        )
        saving.add_done_callback(lambda _: self.desk.nudge())
        self.clock.saving += time.monotonic() - started

    async def saved(self) -> bool:
        """Whether the newest step is durable, so that its policy can sample; raises as `settle`."""
        if self._saver.busy:
            return False
        await self.settle()
        return True

    async def settle(self) -> None:
        """Wait for what `save_meanwhile` began; raises what saving raises."""
        started = time.monotonic()
        await self._saver.settle()
        self.clock.saving += time.monotonic() - started

    async def close(self) -> None:
        """Leave the job at the checkpoint that stands."""
        await self._saver.abandon()

    async def recall(self) -> None:
        """Find out what the learner before has announced already of the checkpoint's list."""
        progress, channel = self.progress, self._channel
        said = await channel.recall()
        progress.steps_to_announce = unsaid(progress.steps_to_announce, channel.step_id, said)
        progress.reward_changes = unsaid(progress.reward_changes, channel.rewards_id, said)
        progress.advances = unsaid(progress.advances, channel.advance_id, said)
        progress.alarms = unsaid(progress.alarms, channel.alarm_id, said)

    async def announce(self) -> None:
        """Say again what the checkpoint has finished, in case that the learner before could not."""
        await self._saver.announce(self.progress, policy=True)
        self.progress.forget_announcements()

    def _change_of_rewards(self) -> RewardChange | None:
        """Rewards change at step boundaries only, and in the checkpoint of that boundary."""
        step, before = self.progress.version + 1, self.progress.reward_set
        after = self._channel.reward_set_for(step)
        return None if after == before else RewardChange(step, before, after)

    def _tensors(self) -> tuple[bytes, bytes]:
        # Before its stage begins, an optimizer that was restored waits here.
        optimizer = self.policy.optimizer_state() if self.optimizer is None else self.optimizer
        return self.policy.adapter.save(), optimizer

    async def _explain_stall(self) -> None:
        """After the first silence, and each time that it has doubled."""
        silence, missing = self.desk.silence, self.desk.missing
        if silence >= self._next_complaint and missing:
            self._next_complaint = 2 * silence
            reason = stall.explain(await self._channel.look_around(), self.spec.base_model)
            await self.say(f"waiting {silence:.0f} s for scores of {missing} groups: {reason}")
        elif silence < self.settings.learner_stall_seconds < self._next_complaint:
            self._next_complaint = self.settings.learner_stall_seconds
            await self.say("scores are coming in again")
