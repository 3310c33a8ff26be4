"""Jobs: checked against everything they name, written once, then left to the learner."""

import asyncio
import hashlib
import uuid

from burnish import levels
from burnish.bus import Bus, topology
from burnish.errors import ConflictError, NotFoundError, UserError
from burnish.explain import nearest
from burnish.logs import get_logger
from burnish.reward_spec import RewardDefinition
from burnish.spec import JobSpec
from burnish.v1 import events_pb2, files_service_pb2, job_pb2, jobs_service_pb2
from svc_gateway import trial
from svc_gateway.codec import TERMINAL
from svc_gateway.files import Files
from svc_gateway.models import Models
from svc_gateway.pages import Page
from svc_gateway.projection import Projector, Queries
from svc_gateway.rewards import Rewards
from svc_gateway.starts import Starts
from svc_gateway.store import Store

log = get_logger(__name__)

Job = job_pb2.Job
DesiredJob = job_pb2.DesiredJob


class Jobs:
    """Create, list, read, cancel."""

    def __init__(
        self,
        *,
        store: Store,
        bus: Bus,
        files: Files,
        rewards: Rewards,
        models: Models,
        projector: Projector,
        queries: Queries,
        starts: Starts,
        project: str,
    ) -> None:
        self._store = store
        self._starts = starts
        self._bus = bus
        self._files = files
        self._rewards = rewards
        self._models = models
        self._projector = projector
        self._queries = queries
        self._project = project

    async def create(self, message: job_pb2.JobSpec, request_id: str = "") -> Job:
        """Queue a job; the same `request_id` is the same job.

        Raises:
            UserError: the spec, or something that it names, is not right.
        """
        job_id = _job_id(self._project, request_id)
        existing = await self._store.jobs.get(job_id)
        if existing is None:
            spec = await self._checked(message)
            desired = DesiredJob(
                id=job_id,
                project=self._project,
                spec=spec,
                origin=await self._starts.origin(job_id, spec),
            )
            desired.created_at.GetCurrentTime()
            try:
                await self._store.jobs.create(job_id, desired)
            except ConflictError:
                log.info("job.created_twice", job=job_id)
        # Also when it existed: the first try may have died between the two writes.
        await self.request_if_waiting(job_id)
        return await self.get(job_id)

    async def _checked(self, message: job_pb2.JobSpec) -> job_pb2.JobSpec:
        """The spec with every default and every reward revision spelled out."""
        spec = JobSpec.from_proto(message).to_proto()
        await self._check_model(spec)
        training = await self._files.get_dataset(spec.training_file, field="training_file")
        if spec.evaluation_file:
            await self._files.get_dataset(spec.evaluation_file, field="evaluation_file")
        _check_labels(spec, training)
        await self._check_levels(spec, training)
        return await self.check_rewards(spec)

    async def check_rewards(self, message: job_pb2.JobSpec) -> job_pb2.JobSpec:
        """The spec with every reward's revision spelled out, each tried on the job's rows.

        Raises:
            UserError: the rewards break a rule of jobs, or one fails on every row.
            NotFoundError: there is no such reward.
        """
        spec = JobSpec.from_proto(message).to_proto()
        sources = []
        for index, reference in enumerate(spec.rewards):
            reward = await self._rewards.get(
                reference.name, reference.revision, field=f"rewards[{index}]"
            )
            reference.revision = reward.revision
            reference.group = RewardDefinition.from_proto(reward.definition).group
            sources.append(reward)
        if sources:
            training = await self._files.get(spec.training_file, field="training_file")
            dataset = await self._files.dataset(training)
            await asyncio.gather(
                *(
                    trial.run(self._rewards, reward, dataset, index)
                    for index, reward in enumerate(sources)
                )
            )
        return spec

    async def _check_levels(
        self, message: job_pb2.JobSpec, training: files_service_pb2.File
    ) -> None:
        """The rows have the levels that a curriculum orders."""
        for index, stage in enumerate(JobSpec.from_proto(message).stages):
            if stage.rl is not None and stage.rl.curriculum is not None:
                field = f"stages[{index}].rl.curriculum"
                levels.read(await self._files.dataset(training), stage.rl.curriculum, field)

    async def _check_model(self, spec: job_pb2.JobSpec) -> None:
        known = await self._models.base_models()
        if spec.base_model in known:
            return
        if not known:
            raise UserError(
                f"no serve instance answers for {spec.base_model}",
                field="base_model",
                hint="start one with `python -m svc_serve` or `burnish up`",
            )
        raise UserError(
            f"there is no base model {spec.base_model!r} here",
            field="base_model",
            hint=nearest(spec.base_model, known, "base models"),
        )

    async def get(self, job_id: str) -> Job:
        """One job.

        Raises:
            NotFoundError: there is none with this id.
        """
        job = await self._queries.job(job_id)
        if job is None and (found := await self._desired(job_id)) is not None:
            await self._projector.put_desired(found[0])
            job = await self._queries.job(job_id)
        if job is None:
            raise NotFoundError(f"there is no job {job_id!r}", field="id", hint="list the jobs")
        return job

    async def list(self, *, size: int = 0, token: str = "") -> Page[Job]:
        return await self._queries.jobs(size=size, token=token)

    async def completions(
        self, job_id: str, *, size: int = 0, token: str = ""
    ) -> Page[jobs_service_pb2.ScoredCompletion]:
        await self.get(job_id)
        return await self._queries.completions(job_id, size=size, token=token)

    async def cancel(self, job_id: str) -> Job:
        """Ask the learner to stop at the next step boundary.

        Raises:
            NotFoundError: there is no such job.
            UserError: it has ended already.
        """
        job = await self.get(job_id)
        if job.state in TERMINAL and job.state != job_pb2.JOB_STATE_CANCELLED:
            raise UserError(f"{job_id} has ended already, there is nothing to cancel", field="id")
        while (found := await self._desired(job_id)) is not None:
            desired, revision = found
            if desired.cancelled:
                break
            desired.cancelled = True
            desired.resumes += 1  # a paused job has to be asked for to be ended
            try:
                await self._store.jobs.update(job_id, desired, revision)
            except ConflictError:
                continue
            await self._projector.put_desired(desired)
        await self.request_if_waiting(job_id)
        return await self.get(job_id)

    async def repair(self) -> None:
        """Request again what a crash left written but not requested."""
        for job_id, _ in await self._store.jobs.items():
            if await self.request_if_waiting(job_id):
                log.info("job.requested_again", job=job_id)

    async def request_if_waiting(self, job_id: str) -> bool:
        """Ask a learner for a job that none has or will get; asking twice has no second effect."""
        desired = await self._store.jobs.get(job_id)
        found = await self._store.runs.get(job_id)
        run = None if found is None else found[0]
        if desired is None or not waits_for_request(desired[0], run):
            return False
        if run is None and job_id in await self._queued():
            return False
        await self._request(desired[0])
        return True

    async def _queued(self) -> set[str]:
        """Jobs whose request still waits for, or is with, a learner."""
        stream = topology.JOBS_STREAM.name
        info = await self._bus.js.stream_info(
            stream, subjects_filter=topology.job_requested.wildcard
        )
        return {subject.rpartition(".")[2] for subject in info.state.subjects or {}}

    async def _request(self, job: DesiredJob) -> None:
        message = events_pb2.JobRequested(project=self._project, job_id=job.id, resumes=job.resumes)
        await self._bus.publish(message, id=f"{job.id}.{job.resumes}" if job.resumes else job.id)

    async def _desired(self, job_id: str) -> tuple[DesiredJob, int] | None:
        plain = job_id.replace("-", "")
        return await self._store.jobs.get(job_id) if plain.isalnum() and plain.isascii() else None


def waits_for_request(job: DesiredJob, run: job_pb2.JobRun | None) -> bool:
    """Whether no learner has the job, and one should."""
    if run is None:
        return True
    return run.state == job_pb2.JOB_STATE_PAUSED and run.resumes < job.resumes


def _job_id(project: str, request_id: str) -> str:
    if not request_id:
        return f"job-{uuid.uuid4().hex[:12]}"
    return f"job-{hashlib.sha256(f'{project}/{request_id}'.encode()).hexdigest()[:12]}"


def _check_labels(spec: job_pb2.JobSpec, training: files_service_pb2.File) -> None:
    """A stage that learns from labels needs some."""
    for index, stage in enumerate(spec.stages):
        if training.labelled_rows:
            return
        field = f"stages[{index}]"
        if stage.HasField("sft"):
            raise UserError(
                f"the sft stage has nothing to learn from: {training.filename} has no labelled row",
                field=f"{field}.sft",
                hint="add a `completion` column to some rows, or leave the stage out",
            )
        if stage.rl.sft_replay:
            raise UserError(
                f"sft_replay has nothing to replay: {training.filename} has no labelled row",
                field=f"{field}.rl.sft_replay",
                hint="add a `completion` column to some rows, or set it to 0",
            )
