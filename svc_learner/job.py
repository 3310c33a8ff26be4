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
from svc_learner import codec
from svc_learner.channel import Channel
from svc_learner.config import LearnerSettings
from svc_learner.engine.policy import Policy
from svc_learner.pipeline.assembler import Assembler
from svc_learner.pipeline.desk import GroupDesk
from svc_learner.plan import Evaluate, Phase, Rl, Sft, phases, total_steps
from svc_learner.rest import JobPausedError, Rest
from svc_learner.rl import RlRun
from svc_learner.session import Session
from svc_learner.sft import run_sft
from svc_learner.sharing.models import BaseModels
from svc_learner.sharing.shared_base import Seat
from svc_learner.state import beginning
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.progress import Progress
from svc_learner.state.store import ENDED, RunStore, TakenOverError, patiently

log = get_logger(__name__)


class JobCancelledError(Exception):
    """Its owner wants the job to stop."""


class JobRunner:
    """Runs one job to its end. `run` returns when nothing is left to do for this delivery."""

    def __init__(
        self,
        bus: Bus,
        settings: LearnerSettings,
        models: BaseModels,
        job: job_pb2.DesiredJob,
        *,
        asked: int | None = None,
    ) -> None:
        """`asked`: how often the job had been resumed when it was asked for; unset: as now."""
        self._asked = job.resumes if asked is None else asked
        self._bus = bus
        self._settings = settings
        self._models = models
        self._job = job
        self._channel = Channel(bus, job)
        self._rest = Rest()
        self._session: Session | None = None
        self._hear(job)

    def __str__(self) -> str:
        """What it does now, in a few words."""
        if self._session is None:
            return f"loading {self._job.id}"
        progress, total = self._session.progress, self._channel.total_steps
        return f"{self._session.stage} of {self._job.id}, step {progress.version} of {total}"

    async def run(self) -> None:
        """Take the job over, and finish it or come to rest; then say so.

        Raises:
            RetryableError: the infrastructure is away, or another learner has the job.
            HandedOverError: `hand_over` was heard; the job waits for another learner.
        """
        store = await RunStore.open(self._bus, self._job.id)
        if store.run.state in ENDED:
            await self._channel.end(store.run.state, store.run.message)
            return
        if self._asked < store.run.resumes:
            return  # a newer request has taken this one's place
        if self._rests(store.run):
            await self._channel.paused(store.run.message)
            return
        if store.run.state == job_pb2.JOB_STATE_PAUSED and self._asked < self._job.resumes:
            await self._channel.request_again()
            return
        try:
            state, message = await self._outcome(store)
            store.hear(self._job.resumes)
            await store.record(state, message)
        except TakenOverError:
            # Taking it back at once would only start a tug of war.
            await store.wait_for_silence(10 * self._settings.ack_wait)
            raise RetryableError("another learner has taken this job over") from None
        log.info("job.ended", state=job_pb2.JobState.Name(state), message=message)
        if state == job_pb2.JOB_STATE_PAUSED:
            await self._come_to_rest(store)
        else:
            await self._channel.end(state, message)
            await self._release()

    def _rests(self, run: job_pb2.JobRun) -> bool:
        """Whether the job is paused, and its owner has not asked for more since."""
        paused = run.state == job_pb2.JOB_STATE_PAUSED
        return paused and run.resumes >= self._job.resumes and not self._job.cancelled

    async def _come_to_rest(self, store: RunStore) -> None:
        """Say so, unless its owner resumed the job before the record of the pause was written.

        The gateway writes its wish and then reads the record; this writes the record and then
        reads the wish. So at least one of them sees both, and asks for the job again.
        """
        await self._channel.paused(store.run.message)
        jobs = await self._bus.kv(topology.JOBS, job_pb2.DesiredJob)
        found = await patiently(lambda: jobs.get(self._job.id))
        if found is not None and found[0].resumes > store.run.resumes:
            self._channel.hear(found[0])
            await self._channel.request_again()

    @property
    def base_model(self) -> str:
        return self._job.spec.base_model

    @property
    def at_work(self) -> bool:
        """Whether it is past its start, so that it can be handed over."""
        return self._session is not None

    async def queued(self, reason: str) -> None:
        """Say why no learner takes the job."""
        await self._channel.queued(reason)

    def hand_over(self) -> None:
        """Leave the job to another learner, at its next step boundary."""
        self._rest.hand_over = True

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
        except JobPausedError as error:
            return job_pb2.JOB_STATE_PAUSED, error.pause.message(self._job.id)
        except UserError as error:
            log.warning("job.failed", reason=str(error))
            return job_pb2.JOB_STATE_FAILED, str(error)
        adapter, best = store.run.adapter.name, store.run.best_adapter.name
        message = f"finished: {adapter} is the tuned model"
        if best and best != adapter:
            message += f"; {best} did best on the held-out rows"
        return job_pb2.JOB_STATE_SUCCEEDED, message

    async def _complete(self, store: RunStore) -> None:
        """Work until the job is done or at rest, its owner cancels it, or something fails."""
        await first_of(self._work(store), self._follow_owner())

    async def _follow_owner(self) -> None:
        jobs = await self._bus.kv(topology.JOBS, job_pb2.DesiredJob)
        async with contextlib.aclosing(jobs.watch(self._job.id)) as changes:
            async for change in changes:
                if change.value is None or change.value.cancelled:
                    raise JobCancelledError
                self._hear(change.value)
                if self._session is None and self._rest.wanted:
                    raise self._rest.take(self._rest.wanted)

    def _hear(self, job: job_pb2.DesiredJob) -> None:
        """Its owner wants something else of the job now."""
        if self._rest.taken:
            return  # the record of the pause must not claim that it has heard of a later resume
        self._job = job
        self._channel.hear(job)
        self._rest.owner = job.paused
        self._rest.budget = codec.budget(job)

    async def _work(self, store: RunStore) -> None:
        spec = JobSpec.from_proto(self._job.spec)
        store.hear(self._job.resumes)
        interrupted = store.run.state == job_pb2.JOB_STATE_RUNNING
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
        progress = Progress.beginning(store.run.reward_set)
        new = checkpoint is None
        if checkpoint is None:
            checkpoint = await beginning.origin(self._bus, self._job, progress)
        progress = checkpoint.progress if checkpoint else progress
        self._channel.reward_set = progress.reward_set
        desk = self._desk(progress)
        async with self._policy(spec, checkpoint, foreign=new) as (seat, policy):
            session = Session(
                job_id=self._job.id,
                spec=spec,
                settings=self._settings,
                seat=seat,
                policy=policy,
                progress=progress,
                rows=rows,
                held_out=held_out,
                channel=self._channel,
                desk=desk,
                store=store,
                rest=self._rest,
            )
            session.optimizer = checkpoint.optimizer if checkpoint else None
            self._session = session
            if interrupted:
                session.heed_alarms()
            await session.recall()
            await session.announce()
            try:
                await beginning.begin(session, self._channel, self._bus, plan, self._job.origin)
                await first_of(_run(session, plan), desk.read())
            finally:
                await session.close()

    def _desk(self, progress: Progress) -> GroupDesk:
        assembler = Assembler(cursor=progress.cursor, frontier=progress.frontier)
        for ticket in progress.open:
            assembler.dispatch(ticket)
        seconds = self._settings.learner_group_seconds
        whole = self._job.spec.deterministic
        return GroupDesk(self._channel, assembler, group_seconds=seconds, whole=whole)

    @contextlib.asynccontextmanager
    async def _policy(
        self, spec: JobSpec, checkpoint: Checkpoint | None, *, foreign: bool
    ) -> AsyncIterator[tuple[Seat, Policy]]:
        """`foreign`: the checkpoint's adapter is not this job's own, and may cover fewer layers."""
        async with self._models.use(spec.base_model) as shared:
            with shared.seat(self._job.id, solo=spec.deterministic) as seat:
                lora = spec.lora
                policy = await seat.run(
                    Policy, seat.base, rank=lora.rank, alpha=lora.alpha, seed=spec.seed
                )
                if checkpoint is not None:
                    weights = checkpoint.adapter
                    if foreign:
                        weights = await seat.run(beginning.fitted, policy, weights)
                    await seat.run(policy.adapter.load, weights)
                yield seat, policy

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
        if not isinstance(phase, Evaluate):
            session.stage_index = phase.index
        match phase:
            case Evaluate():
                await _evaluate(session, phase)
            case Sft():
                await run_sft(session, phase)
            case Rl():
                await RlRun(session, phase, await session.demonstrations()).run()
        progress.begin_next_phase()
        await session.save(publish=False, ends_stage=not isinstance(phase, Evaluate))
    while session.evaluations.open:
        await session.boundary(stepping=False)
        await session.wait()


async def _evaluate(session: Session, phase: Evaluate) -> None:
    await session.boundary(stepping=False)
    await session.say(f"answering the held-out rows ({phase.label})")
    await session.evaluations.start(phase.label)
    while any(evaluation.label == phase.label for evaluation in session.evaluations.open):
        await session.boundary(stepping=False)
        await session.wait()


async def first_of(*work: Coroutine[None, None, None]) -> None:
    """Run side by side until one ends. Its error is raised; the others are cancelled."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        next(task for task in tasks if task.done()).result()
    finally:
        await stop(tasks)
