"""`examples/subscribe_events.py` against a real nats-server."""

import asyncio
import sys
from pathlib import Path

from burnish.bus import Bus
from burnish.config import ServiceSettings
from burnish.v1 import events_pb2

SCRIPT = Path(__file__).parents[2] / "examples" / "subscribe_events.py"


async def subscriber(nats_url: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(SCRIPT),
        "--server",
        nats_url,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


def step(job: str, number: int) -> events_pb2.StepCompleted:
    return events_pb2.StepCompleted(
        project="default", job_id=job, step=number, metrics={"reward/mean": number / 8}
    )


async def test_the_subscriber_prints_a_jobs_events(nats_url: str) -> None:
    bus = Bus(ServiceSettings(nats_url=nats_url), "test")
    await bus.start()
    try:
        await bus.publish(step("job-1", 1), id="1")
        await bus.publish(step("job-2", 2), id="2")
        large = events_pb2.JobUpdated(project="default", job_id="job-1", message="x" * 600_000)
        await bus.publish(large, id="3")
        one, every = await asyncio.gather(subscriber(nats_url, "job-1"), subscriber(nats_url))
    finally:
        await bus.stop()

    first, second = one.splitlines()
    assert "1 StepCompleted" in first
    assert '"reward/mean": 0.125' in first
    assert "3 JobUpdated" in second
    assert "x" * 600_000 in second
    assert len(every.splitlines()) == 3
