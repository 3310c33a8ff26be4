"""Wiring: job.requested in; groups, adapters and events out."""

import structlog

from burnish.bus import Bus, topology
from burnish.errors import RetryableError, UserError
from burnish.service import Status
from burnish.v1 import events_pb2, job_pb2
from svc_learner.config import LearnerSettings
from svc_learner.job import JobRunner
from svc_learner.models import BaseModels


class Learner:
    """Runs jobs, each from its last checkpoint to its end."""

    def __init__(self, bus: Bus, settings: LearnerSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._models = BaseModels(settings)
        self._running: dict[str, JobRunner] = {}

    async def start(self) -> None:
        self._bus.consume(
            topology.JOB_REQUESTED,
            self.handle,
            concurrency=self._settings.learner_jobs,
            on_exhausted=self._give_up,
        )

    async def stop(self) -> None:
        self._models.close()

    def status(self) -> Status:
        return Status(
            activity="; ".join(str(runner) for runner in self._running.values()) or "idle",
            metrics={"jobs": len(self._running)},
        )

    async def handle(self, request: events_pb2.JobRequested) -> None:
        if request.job_id in self._running:
            raise RetryableError(f"{request.job_id} is still running here")
        runner = await self._runner(request)
        self._running[request.job_id] = runner
        try:
            with structlog.contextvars.bound_contextvars(job=request.job_id):
                await runner.run()
        finally:
            del self._running[request.job_id]

    async def _give_up(self, request: events_pb2.JobRequested, reason: str) -> None:
        try:
            runner = await self._runner(request)
        except UserError:
            return  # no such job: nobody waits for its end
        await runner.fail(f"The learner could not go on: {reason}")

    async def _runner(self, request: events_pb2.JobRequested) -> JobRunner:
        jobs = await self._bus.kv(topology.JOBS, job_pb2.DesiredJob)
        found = await jobs.get(request.job_id)
        if found is None:
            raise UserError(f"There is no job {request.job_id!r}.", field="job_id")
        return JobRunner(self._bus, self._settings, self._models, found[0])
