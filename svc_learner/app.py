"""Wiring: job.requested in; groups, adapters and events out."""

import asyncio
from collections.abc import Sequence

import structlog

from burnish.bus import Bus, HandBack, topology
from burnish.errors import RetryableError, UserError
from burnish.service import Status
from burnish.stopping import stop
from burnish.v1 import events_pb2, job_pb2
from svc_learner.config import LearnerSettings
from svc_learner.job import JobRunner
from svc_learner.rest import HandedOverError
from svc_learner.sharing.balance import ASIDE_SECONDS, Balance
from svc_learner.sharing.gauges import Sharing, SharingCollector, as_metrics
from svc_learner.sharing.models import BaseModels
from svc_learner.sharing.peers import details_of, metrics_of
from svc_learner.state.store import patiently


class Learner:
    """Runs jobs, each from its last checkpoint to its end or to its next learner."""

    def __init__(
        self, bus: Bus, settings: LearnerSettings, models: BaseModels | None = None
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._models = models or BaseModels(settings)
        self._running: dict[str, JobRunner] = {}
        self._taking = asyncio.Lock()
        self._balance = Balance(bus, settings, self._models, self._running)
        self._collector = SharingCollector(self._sharings, lambda: self._balance.waiting)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._bus.consume(
            topology.JOB_REQUESTED,
            self.handle,
            concurrency=self._settings.learner_jobs,
            on_exhausted=self._give_up,
        )
        self._collector.register()
        for work in (self._balance.tend(), self._balance.let_go()):
            self._tasks.append(asyncio.create_task(work))

    async def stop(self) -> None:
        if self._tasks:
            await stop(self._tasks)
            self._collector.unregister()
        self._models.close()

    def status(self) -> Status:
        me, sharings = self._balance.me, self._sharings()
        return Status(
            activity=self._activity(sharings),
            metrics={
                **metrics_of(me),
                "jobs_waiting": self._balance.waiting,
                **as_metrics(sharings),
            },
            details=details_of(me),
        )

    def _activity(self, sharings: Sequence[Sharing]) -> str:
        shares = {job: share for one in sharings for job, share in one.shares.items()}
        doing = [
            f"{runner} ({shares[job]:.0%} of the training)"
            if job in shares and len(shares) > 1
            else str(runner)
            for job, runner in self._running.items()
        ]
        waiting = self._balance.waiting
        return "; ".join([*doing, *([f"{waiting} more in the queue"] if waiting else [])]) or "idle"

    async def handle(self, request: events_pb2.JobRequested) -> None:
        if request.job_id in self._running:
            raise RetryableError(f"{request.job_id} is still running here")
        runner = await self._runner(request)
        async with self._taking:  # each decision counts the jobs that were taken before
            await self._balance.consider(request.job_id, runner)
            self._running[request.job_id] = runner
        try:
            with structlog.contextvars.bound_contextvars(job=request.job_id):
                await runner.run()
        except HandedOverError:
            ends = self._bus.draining.is_set()
            raise HandBack(aside=0 if ends else ASIDE_SECONDS) from None
        finally:
            del self._running[request.job_id]

    def _sharings(self) -> list[Sharing]:
        return [
            Sharing.of(shared, self._models.users(name))
            for name, shared in self._models.held.items()
        ]

    async def _give_up(self, request: events_pb2.JobRequested, reason: str) -> None:
        try:
            runner = await self._runner(request)
        except UserError:
            return  # no such job: nobody waits for its end
        await runner.fail(f"The learner could not go on: {reason}")

    async def _runner(self, request: events_pb2.JobRequested) -> JobRunner:
        jobs = await self._bus.kv(topology.JOBS, job_pb2.DesiredJob)
        found = await patiently(lambda: jobs.get(request.job_id))
        if found is None:
            raise UserError(f"There is no job {request.job_id!r}.", field="job_id")
        return JobRunner(self._bus, self._settings, self._models, found[0], asked=request.resumes)
