"""Which jobs have ended: nobody samples for them any more."""

import asyncio
from collections import defaultdict

from burnish.bus import Bus, topology
from burnish.stopping import stop
from burnish.v1 import job_pb2

_ENDED = {
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
}


class EndedJobs:
    """Follows what owners want (`jobs`) and what learners report (`runs`)."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._ended: set[str] = set()
        self._work: defaultdict[str, set[asyncio.Task[None]]] = defaultdict(set)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [
            asyncio.create_task(self._follow_jobs()),
            asyncio.create_task(self._follow_runs()),
        ]

    async def stop(self) -> None:
        await stop(self._tasks)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._ended

    async def guard(self, job_id: str, work: asyncio.Task[None]) -> bool:
        """Await `work`, and cancel it if its job ends first. Returns whether it was done."""
        self._work[job_id].add(work)
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            work.cancel()
            raise
        finally:
            self._work[job_id].discard(work)
        if work.cancelled():
            return False
        work.result()
        return True

    async def _follow_jobs(self) -> None:
        jobs = await self._bus.kv(topology.JOBS, job_pb2.DesiredJob)
        async for change in jobs.watch():
            if change.value is not None and change.value.cancelled:
                self._end(change.key)

    async def _follow_runs(self) -> None:
        runs = await self._bus.kv(topology.RUNS, job_pb2.JobRun)
        async for change in runs.watch():
            if change.value is not None and change.value.state in _ENDED:
                self._end(change.key)

    def _end(self, job_id: str) -> None:
        self._ended.add(job_id)
        for work in self._work[job_id]:
            work.cancel()
