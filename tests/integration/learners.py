"""Whole learners on a test's nats-server, next to the pipeline that answers their groups."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from google.protobuf.message import Message
from learner_pipeline import Pipeline, base_models, in_order

from burnish.bus import Bus, topology
from burnish.service import Presence
from burnish.stopping import stop
from burnish.v1 import events_pb2, job_pb2
from svc_learner.app import Learner
from svc_learner.config import LearnerSettings

ENDED = (
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_FAILED,
    job_pb2.JOB_STATE_CANCELLED,
)


@asynccontextmanager
async def learner(pipeline: Pipeline, name: str, **settings: object) -> AsyncIterator[Learner]:
    """One that takes jobs from the queue; it drains at the end, as on SIGTERM."""
    config = LearnerSettings(
        nats_url=pipeline.url,
        instance=name,
        # So long that only what was handed back can come to another learner.
        ack_wait=60,
        drain_seconds=5,
        learner_checkpoint_seconds=0,
        **settings,  # type: ignore[arg-type]
    )
    bus = Bus(config, "learner")
    one = Learner(bus, config, base_models(config))
    await bus.connect()
    presence = await Presence.create("learner", bus, one, config, 0)
    beat = asyncio.create_task(presence.keep())
    await one.start()
    await bus.start()
    await presence.show()
    try:
        yield one
    finally:
        await bus.drain()
        await one.stop()
        await stop([beat])
        await bus.close()


async def submit(pipeline: Pipeline, job_id: str, *stages: object, **spec: object) -> None:
    """Write a job with a file of its own and ask for it, as the gateway does."""
    pipeline.job_id = job_id
    await pipeline.submit(*stages, **{"training_file": f"rows-of-{job_id}"} | spec)  # type: ignore[arg-type]
    request = events_pb2.JobRequested(project="default", job_id=job_id)
    await pipeline.bus.publish(request, id=f"{job_id}.0")


async def run_of(pipeline: Pipeline, job_id: str) -> job_pb2.JobRun | None:
    found = await (await pipeline.bus.kv(topology.RUNS, job_pb2.JobRun)).get(job_id)
    return found[0] if found else None


async def end_of(pipeline: Pipeline, job_id: str) -> job_pb2.JobRun:
    """How a job ended."""
    async with asyncio.timeout(30):
        while True:
            run = await run_of(pipeline, job_id)
            if run is not None and run.state in ENDED:
                return run
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.02)


class Pace:
    """Delivers each group after some time, which a test may change on the way."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    async def __call__(
        self, bus: Bus, request: events_pb2.RolloutRequested, messages: list[Message]
    ) -> None:
        await asyncio.sleep(self.seconds)
        await in_order(bus, request, messages)


def jobs_of(one: Learner) -> int:
    return int(one.status().metrics["jobs"])


def holds(one: Learner) -> str:
    return one.status().details["holds"]
