"""One job from its first message to its end, on whichever learner holds it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence

from burnish import datasets
from burnish.bus import Bus, topology
from burnish.datasets import Dataset, DatasetRow
from burnish.errors import NotFoundError, RetryableError, UserError
from burnish.logs import get_logger
from burnish.spec import JobSpec
from burnish.stopping import stop
from burnish.v1 import files_service_pb2, job_pb2
from svc_learner.assembler import Assembler
from svc_learner.base import BaseModel
from svc_learner.channel import Channel
from svc_learner.checkpoint import Checkpoint
from svc_learner.config import LearnerSettings
from svc_learner.desk import GroupDesk
from svc_learner.models import BaseModels
from svc_learner.plan import Evaluate, Phase, Rl, Sft, phases, total_steps
from svc_learner.policy import Policy
from svc_learner.progress import Progress
from svc_learner.rl import RlRun
from svc_learner.session import Session
from svc_learner.sft import run_sft
from svc_learner.store import ENDED, RunStore, TakenOverError, patiently

log = get_logger(__name__)


class JobCancelledError(Exception):
    """Its owner wants the job to stop."""


class JobRunner:
    """Runs one job to its end. `run` returns when nothing is left to do for this delivery."""

    def __init__(
        self, bus: Bus, settings: LearnerSettings, models: BaseModels, job: job_pb2.DesiredJob
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._models = models
        self._job = job
        self._channel = Channel(bus, job)
        self._session: Session | None = None

    def __str__(self) -> str:
        """What it does now, in a few words."""
        if self._session is None:
            return f"loading {self._job.id}"
        progress, total = self._session.progress, self._channel.total_steps
        return f"{self._session.stage} of {self._job.id}, step {progress.version} of {total}"

    async def run(self) -> None:
        """Take the job over, finish it, and say how it ended.

        Raises:
            RetryableError: the infrastructure is away, or another learner has the job.
        """
        store = await RunStore.open(self._bus, self._job.id)
        if store.run.state in ENDED:
            await self._channel.end(store.run.state, store.run.message)
            return
        try:
            state, message = await self._outcome(store)
            await store.record(state, message)
        except TakenOverError:
            # Taking it back at once would only start a tug of war.
            await store.wait_for_silence(10 * self._settings.ack_wait)
            raise RetryableError("another learner has taken this job over") from None
        await self._channel.end(state, message)
        await self._release()
        log.info("job.ended", state=job_pb2.JobState.Name(state), message=message)

    async def fail(self, reason: str) -> None:
        """End the job after its learner crashed again and again."""
        store = await RunStore.open(self._bus, self._job.id)
        if store.run.state not in ENDED:
            await store.record(job_pb2.JOB_STATE_FAILED, reason)
        await self._channel.end(store.run.state, store.run.message)

    async def _outcome(self, store: RunStore) -> tuple[job_pb2.JobState, str]:
        try:
            await self._complete(store)
        except JobCancelledError:
            return job_pb2.JOB_STATE_CANCELLED, "cancelled"
        except UserError as error:
            log.warning("job.failed", reason=str(error))
            return job_pb2.JOB_STATE_FAILED, str(error)
        adapter = store.run.adapter.name
        return job_pb2.JOB_STATE_SUCCEEDED, f"finished: {adapter} is the tuned model"

    async def _complete(self, store: RunStore) -> None:
        """Work until the job is done, its owner cancels it, or something fails."""
        await first_of(self._work(store), self._follow_owner())

    async def _follow_owner(self) -> None:
        jobs = await self._bus.kv(topology.JOBS, job_pb2.DesiredJob)
        async with contextlib.aclosing(jobs.watch(self._job.id)) as changes:
            async for change in changes:
                if change.value is None or change.value.cancelled:
                    raise JobCancelledError
                self._channel.hear(change.value)

    async def _work(self, store: RunStore) -> None:
        spec = JobSpec.from_proto(self._job.spec)
        checkpoint = await store.take_over(self._channel.reward_set_for(1))
        rows = await self._dataset(spec.training_file, "training_file")
        held_out: Sequence[DatasetRow] = ()
        if spec.evaluation_file:
            held_out = (await self._dataset(spec.evaluation_file, "evaluation_file")).rows
        plan = phases(spec)
        self._channel.total_steps = total_steps(plan, len(rows.labelled))
        if store.run.HasField("adapter"):
            self._channel.adapter = store.run.adapter
        await self._channel.update("", "loading the base model")
        base = await self._models.get(spec.base_model)
        progress = checkpoint.progress if checkpoint else Progress.beginning(store.run.reward_set)
        self._channel.reward_set = progress.reward_set
        desk = self._desk(progress)
        async with self._policy(base, spec, checkpoint) as policy:
            session = Session(
                job_id=self._job.id,
                spec=spec,
                settings=self._settings,
                base=base,
                policy=policy,
                progress=progress,
                rows=rows,
                held_out=held_out,
                channel=self._channel,
                desk=desk,
                store=store,
            )
            session.optimizer = checkpoint.optimizer if checkpoint else None
            self._session = session
            await session.announce(policy=True)
            await first_of(_run(session, plan), desk.read())

    def _desk(self, progress: Progress) -> GroupDesk:
        assembler = Assembler(cursor=progress.cursor, frontier=progress.frontier)
        for ticket in progress.open:
            assembler.dispatch(ticket)
        seconds = self._settings.learner_group_seconds
        return GroupDesk(self._channel, assembler, group_seconds=seconds)

    @contextlib.asynccontextmanager
    async def _policy(
        self, base: BaseModel, spec: JobSpec, checkpoint: Checkpoint | None
    ) -> AsyncIterator[Policy]:
        name = self._job.id.replace(".", "_")  # torch's module names have no dots
        policy = await base.run(
            Policy, base, name, rank=spec.lora.rank, alpha=spec.lora.alpha, seed=spec.seed
        )
        try:
            if checkpoint is not None:
                await base.run(policy.adapter.load, checkpoint.adapter)
            yield policy
        finally:
            base.submit(policy.adapter.remove)

    async def _dataset(self, file_id: str, field: str) -> Dataset:
        files = await self._bus.kv(topology.FILES, files_service_pb2.File)
        found = await patiently(lambda: files.get(file_id))
        if found is None:
            raise NotFoundError(
                f"There is no file {file_id!r}.", field=field, hint="upload it again"
            )
        content = await patiently(lambda: self._bus.blobs.get(found[0].blob))
        return await asyncio.to_thread(datasets.parse, content, found[0].filename)

    async def _release(self) -> None:
        """Nobody waits any more for what is still being sampled."""
        running = self._session.desk.assembler.running if self._session else ()
        for ticket in running:
            await self._channel.cancel_group(ticket.group_id, "the job has ended", job_ended=True)


async def _run(session: Session, plan: Sequence[Phase]) -> None:
    """All phases that are left. Between two of them the job can be taken over."""
    progress = session.progress
    while progress.phase < len(plan):
        phase = plan[progress.phase]
        session.stage = phase.stage
        match phase:
            case Evaluate():
                await _evaluate(session, phase)
            case Sft():
                await run_sft(session, phase)
            case Rl():
                await RlRun(session, phase, await session.demonstrations()).run()
        progress.phase += 1
        progress.step = progress.drawn = progress.barren = 0
        await session.save(publish=False)
    while session.evaluations.open:
        await session.wait()


async def _evaluate(session: Session, phase: Evaluate) -> None:
    await session.say(f"answering the held-out rows ({phase.label})")
    await session.evaluations.start(phase.label)
    while any(evaluation.label == phase.label for evaluation in session.evaluations.open):
        await session.wait()


async def first_of(*work: Coroutine[None, None, None]) -> None:
    """Run side by side until one ends. Its error is raised; the others are cancelled."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        next(task for task in tasks if task.done()).result()
    finally:
        await stop(tasks)
