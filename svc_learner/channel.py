"""One job's side of the bus: dispatch, events, and the log of scores."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing

from google.protobuf.message import Message

from burnish.bus import Bus, topology
from burnish.datasets import DatasetRow
from burnish.stage_spec import Sampling
from burnish.v1 import common_pb2, events_pb2, job_pb2
from svc_learner import codec
from svc_learner.evaluation.results import Result
from svc_learner.pipeline.surroundings import Surroundings, look_around
from svc_learner.state.progress import OpenEvaluation
from svc_learner.state.reward_sets import FIRST, RewardChange, in_force
from svc_learner.state.store import patiently
from svc_learner.types import Advance, Alarm, Cancellation, Completion, StepRecord, Ticket


class Channel:
    """Every message id follows from what the message says, so saying it twice has no effect."""

    def __init__(self, bus: Bus, job: job_pb2.DesiredJob) -> None:
        self._bus = bus
        self._job = job
        self.adapter: common_pb2.AdapterRef | None = None
        """The newest published policy: what new groups are sampled with."""
        self.total_steps = 0
        self.reward_set = FIRST
        """Number of the set of rewards that new groups carry."""
        self._said: frozenset[str] = frozenset()

    def hear(self, job: job_pb2.DesiredJob) -> None:
        """Its owner wants something else of the job now."""
        self._job = job

    def reward_set_for(self, step: int) -> int:
        """What the groups of `step` are to be scored by, as far as the owner's wish is known."""
        return in_force(codec.candidates(self._job), self.reward_set, step)

    async def scores(
        self, after: int
    ) -> AsyncGenerator[tuple[int, Completion | Cancellation], None]:
        """This job's part of the log behind sequence `after`, then live."""
        subjects = [
            route.subject(self._job.project, self._job.id)
            for route in (topology.reward_scored, topology.group_cancelled)
        ]
        entries = self._bus.read(topology.SCORES_STREAM, subjects=subjects, after=after)
        async with aclosing(entries):
            async for entry in entries:
                arrival = codec.arrival(entry.message)
                if arrival is not None:
                    yield entry.sequence, arrival

    async def dispatch(self, ticket: Ticket, row: DatasetRow, sampling: Sampling) -> None:
        """Ask for a group, sampled with the newest published policy."""
        message = codec.rollout_requested(
            self._job,
            ticket,
            row,
            sampling,
            adapter=self.adapter,
            total_steps=self.total_steps,
        )
        await self._publish(message, id=ticket.group_id)

    async def dispatch_again(
        self, ticket: Ticket, row: DatasetRow, sampling: Sampling, *, attempt: int
    ) -> None:
        """Ask once more for a group that the infrastructure disturbed, with its own policy."""
        message = codec.rollout_requested(
            self._job,
            ticket,
            row,
            sampling,
            adapter=await self._adapter_of(ticket.policy_version),
            total_steps=self.total_steps,
            attempt=attempt,
        )
        await self._publish(message, id=f"{ticket.group_id}.again.{attempt}")

    async def _adapter_of(self, version: int) -> common_pb2.AdapterRef | None:
        """None: the base model itself."""
        adapters = await self._bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
        key = topology.adapter_key(f"{self._job.id}:v{version}")
        found = await patiently(lambda: adapters.get(key))
        return found[0] if found else None

    async def look_around(self) -> Surroundings | None:
        """The services that the job waits for; None: the bus does not answer."""
        return await look_around(self._bus)

    async def cancel_group(self, group_id: str, reason: str, *, job_ended: bool = False) -> None:
        message = codec.group_cancelled(self._job, group_id, reason, job_ended=job_ended)
        await self._publish(message, id=f"{group_id}.cancelled")

    async def recall(self) -> Collection[str]:
        """Ids of the job's newest event of each kind; none of them is published again."""
        stream = topology.EVENTS_STREAM
        subjects = [route.subject(self._job.project, self._job.id) for route in stream.routes]
        found = await patiently(
            lambda: asyncio.gather(*(self._bus.newest_id(stream, one) for one in subjects))
        )
        self._said = frozenset(found)
        return self._said

    def step_id(self, record: StepRecord) -> str:
        return f"{self._job.id}.step.{record.step}"

    def rewards_id(self, change: RewardChange) -> str:
        return f"{self._job.id}.rewards.{change.after}"

    def advance_id(self, advance: Advance) -> str:
        return f"{self._job.id}.curriculum.{advance.step}.{advance.number}"

    def alarm_id(self, alarm: Alarm) -> str:
        return f"{self._job.id}.alarm.{alarm.kind}.{alarm.step}"

    async def announce_step(self, record: StepRecord) -> None:
        message = codec.step_completed(self._job, record, self.total_steps)
        await self._publish(message, id=self.step_id(record))

    async def announce_rewards(self, change: RewardChange) -> None:
        message = codec.rewards_updated(self._job, change)
        await self._publish(message, id=self.rewards_id(change))

    async def announce_policy(self, adapter: common_pb2.AdapterRef) -> None:
        await self._publish(codec.policy_published(self._job, adapter), id=adapter.name)

    async def announce_evaluation(
        self,
        evaluation: OpenEvaluation,
        result: Result,
        answers: Sequence[tuple[DatasetRow, Completion]],
        *,
        samples: int,
        best: bool,
        gap: float | None,
    ) -> None:
        message = codec.evaluation_completed(
            self._job,
            evaluation,
            result,
            completions=[codec.evaluated(row, completion) for row, completion in answers],
            samples=samples,
            best=best,
            gap=gap,
        )
        await self._publish(message, id=f"{self._job.id}.evaluation.{evaluation.label}")

    async def announce_advance(self, advance: Advance) -> None:
        message = codec.curriculum_advanced(self._job, advance)
        await self._publish(message, id=self.advance_id(advance))

    async def announce_alarm(self, alarm: Alarm) -> None:
        message = codec.alarm_raised(self._job, alarm)
        await self._publish(message, id=self.alarm_id(alarm))

    async def update(self, stage: str, text: str) -> None:
        """Say what happens now. The same may be said twice, so these ids are random."""
        message = codec.job_updated(
            self._job, job_pb2.JOB_STATE_RUNNING, stage, text, self.total_steps
        )
        await self._publish(message, id=f"{self._job.id}.updated.{uuid.uuid4().hex}")

    async def queued(self, text: str) -> None:
        """Say why no learner takes the job. The same may be said again later."""
        message = codec.job_updated(self._job, job_pb2.JOB_STATE_QUEUED, "", text, self.total_steps)
        await self._publish(message, id=f"{self._job.id}.queued.{uuid.uuid4().hex}")

    async def paused(self, text: str) -> None:
        """Say why the job rests, and how it goes on."""
        message = codec.job_updated(self._job, job_pb2.JOB_STATE_PAUSED, "", text, self.total_steps)
        await self._publish(message, id=f"{self._job.id}.paused.{self._job.resumes}")

    async def request_again(self) -> None:
        """Ask for the job, which was resumed while it came to rest."""
        message = events_pb2.JobRequested(
            project=self._job.project, job_id=self._job.id, resumes=self._job.resumes
        )
        await self._publish(message, id=f"{self._job.id}.{self._job.resumes}")

    async def end(self, state: job_pb2.JobState, text: str) -> None:
        """Say how the job ended."""
        message = codec.job_updated(self._job, state, "", text, self.total_steps)
        await self._publish(message, id=f"{self._job.id}.ended")

    async def _publish(self, message: Message, *, id: str) -> None:  # noqa: A002
        if id not in self._said:
            await patiently(lambda: self._bus.publish(message, id=id))
