"""One job's side of the bus: dispatch, events, and the log of scores."""

import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from google.protobuf.message import Message

from burnish.bus import Bus, topology
from burnish.datasets import DatasetRow
from burnish.spec import Sampling
from burnish.v1 import common_pb2, job_pb2
from svc_learner import codec
from svc_learner.metrics import by_name, mean
from svc_learner.progress import OpenEvaluation
from svc_learner.reward_sets import FIRST, RewardChange, in_force
from svc_learner.store import patiently
from svc_learner.types import Cancellation, Completion, StepRecord, Ticket


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
        message = codec.rollout_requested(
            self._job,
            ticket,
            row,
            sampling,
            adapter=self.adapter,
            reward_set=self.reward_set,
            total_steps=self.total_steps,
        )
        await self._publish(message, id=ticket.group_id)

    async def cancel_group(self, group_id: str, reason: str, *, job_ended: bool = False) -> None:
        message = codec.group_cancelled(self._job, group_id, reason, job_ended=job_ended)
        await self._publish(message, id=f"{group_id}.cancelled")

    async def announce_step(self, record: StepRecord) -> None:
        message = codec.step_completed(self._job, record, self.total_steps)
        await self._publish(message, id=f"{self._job.id}.step.{record.step}")

    async def announce_rewards(self, change: RewardChange) -> None:
        message = codec.rewards_updated(self._job, change)
        await self._publish(message, id=f"{self._job.id}.rewards.{change.after}")

    async def announce_policy(self, adapter: common_pb2.AdapterRef) -> None:
        await self._publish(codec.policy_published(self._job, adapter), id=adapter.name)

    async def announce_evaluation(
        self, evaluation: OpenEvaluation, answers: Sequence[tuple[DatasetRow, Completion]]
    ) -> None:
        completions = [completion for _, completion in answers]
        rewards = [c.reward for c in completions if c.reward is not None]
        message = codec.evaluation_completed(
            self._job,
            label=evaluation.label,
            policy_version=evaluation.policy_version,
            adapter=evaluation.adapter,
            reward_mean=mean(rewards) if rewards else 0.0,
            score_means={name: mean(values) for name, values in by_name(completions).items()},
            completions=[codec.evaluated(row, completion) for row, completion in answers],
        )
        await self._publish(message, id=f"{self._job.id}.evaluation.{evaluation.label}")

    async def update(self, stage: str, text: str) -> None:
        """Say what happens now. The same may be said twice, so these ids are random."""
        message = codec.job_updated(
            self._job, job_pb2.JOB_STATE_RUNNING, stage, text, self.total_steps
        )
        await self._publish(message, id=f"{self._job.id}.updated.{uuid.uuid4().hex}")

    async def end(self, state: job_pb2.JobState, text: str) -> None:
        """Say how the job ended."""
        message = codec.job_updated(self._job, state, "", text, self.total_steps)
        await self._publish(message, id=f"{self._job.id}.ended")

    async def _publish(self, message: Message, *, id: str) -> None:  # noqa: A002
        await patiently(lambda: self._bus.publish(message, id=id))
