"""Learner processes that are killed, or told to end, in the middle of jobs."""

import asyncio
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.protobuf.message import Message
from learner_pipeline import RL, pipeline_on
from learner_process import learner_process
from learners import Pace, end_of, submit

from burnish.bus import Bus, topology
from burnish.v1 import events_pb2, job_pb2

JOBS = {"job-1": 12, "job-2": 12}


class Held(Pace):
    """Delivers nothing while it is not `open`: no job takes a step, so none ends or moves."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(
        self, bus: Bus, request: events_pb2.RolloutRequested, messages: list[Message]
    ) -> None:
        await self.open.wait()
        await super().__call__(bus, request, messages)


@pytest.mark.timeout(240)
async def test_jobs_outlive_a_killed_learner_and_one_that_ends(
    nats_url: str, tmp_path: Path
) -> None:
    async with pipeline_on(nats_url) as pipeline:
        pipeline.deliver = pace = Held(0.3)
        statuses = await pipeline.bus.kv(topology.SERVICES, events_pb2.ServiceStatus)

        async def at_work() -> list[str]:
            """Learners that have said, since nothing was delivered any more, that they run a job."""
            since = time.time() + 1
            found = [status for _, status in await statuses.items()]
            while any(processes[s.instance].poll() is None and said_at(s) < since for s in found):
                await asyncio.sleep(0.1)
                found = [status for _, status in await statuses.items()]
            alive = [s for s in found if processes[s.instance].poll() is None]
            return [s.instance for s in alive if s.metrics["jobs"]]

        async def worker_at(count: int) -> str:
            """Wait until each job has taken so many steps; names a learner that runs one."""
            async with asyncio.timeout(90):
                for job_id in JOBS:
                    pipeline.job_id = job_id
                    while len(await pipeline.steps()) < count:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)
                pace.open.clear()
                while not (names := await at_work()):
                    pass  # a killed learner's job is not taken yet
            return names[0]

        with ExitStack() as stack:
            processes = {
                name: stack.enter_context(learner_process(nats_url, name, tmp_path))
                for name in ("one", "two", "three")
            }
            for job_id, count in JOBS.items():
                rl = RL["rl"] | {"steps": count, "sft_replay": 0}
                await submit(pipeline, job_id, {"rl": rl})
            killed = await worker_at(2)
            processes[killed].kill()
            processes[killed].wait()
            pace.open.set()
            ended = await worker_at(4)
            processes[ended].send_signal(signal.SIGTERM)
            pace.seconds = 0
            pace.open.set()
            for job_id, count in JOBS.items():
                assert (await end_of(pipeline, job_id)).state == job_pb2.JOB_STATE_SUCCEEDED
                pipeline.job_id = job_id
                taken = await pipeline.steps()
                assert [step.step for step in taken] == list(range(1, count + 1))
                learned = [group for step in taken for group in step.group_ids]
                assert len(learned) == len(set(learned)), "no group is learned from twice"
            assert await asyncio.to_thread(processes[ended].wait, 20) == 0


def said_at(status: events_pb2.ServiceStatus) -> float:
    """When it was said, in seconds since the epoch."""
    return status.time.ToNanoseconds() / 1e9
