"""kill -9 of each service once, during one short job: nothing is lost, nothing is trained twice."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.message import Message

from burnish.bus import Bus, topology
from burnish.config import ServiceSettings
from burnish.sdk import Client
from burnish.sdk.types import StepCompleted
from burnish.spec import JobSpec
from burnish.supervisor import Platform
from burnish.v1 import events_pb2

EXAMPLE = Path(__file__).parents[2] / "examples" / "extraction"
# One service dies after each step; the gateway, which nobody waits for, together with the first.
VICTIMS = (("rollout", "gateway"), ("reward",), ("serve",), ("learner",), ("nats",))


@pytest.fixture
def platform(tmp_path: Path, model_dir: Path) -> Iterator[Platform]:
    env = {"BURNISH_MODELS_DIR": str(model_dir.parent), "BURNISH_ACK_WAIT": "3"}
    with Platform(tmp_path / "burnish", env=env) as platform:
        yield platform


def short_job() -> JobSpec:
    spec = JobSpec.from_file(EXAMPLE / "job.yaml").model_dump(exclude_unset=True)
    rl = next(stage["rl"] for stage in spec["stages"] if "rl" in stage)
    rl |= {"steps": len(VICTIMS) + 1, "prompts_per_step": 2, "group_size": 4}
    spec["stages"] = [{"rl": rl}]
    spec["evaluation_file"] = ""
    return JobSpec.model_validate(spec)


@pytest.mark.model
@pytest.mark.timeout(900)
def test_a_job_survives_the_death_of_each_service(platform: Platform) -> None:
    with Client(platform.grpc_address) as client:
        job = client.submit(short_job(), EXAMPLE)
        victims = iter(VICTIMS)
        for watched in client.jobs.watch(job.id):
            if isinstance(watched.event, StepCompleted):
                for name in next(victims, ()):
                    os.kill(platform.pids[name], signal.SIGKILL)
        assert next(victims, None) is None, "the job ended before every service was killed"
        ended = client.jobs.wait(job.id)  # its last event comes before the read model shows it
        assert ended.state == "succeeded", ended.message
    asyncio.run(check_the_log(platform.nats_url, job.id))


async def check_the_log(nats_url: str, job_id: str) -> None:
    """Every group that was asked for ended once, and no group was learned from twice."""
    events, scores = await logged(nats_url, job_id)
    steps = [event for event in events if isinstance(event, events_pb2.StepCompleted)]
    assert [step.step for step in steps] == list(range(1, len(VICTIMS) + 2))
    learned = Counter(group for step in steps for group in step.group_ids)
    assert learned
    assert max(learned.values()) == 1

    completions = Counter(
        score.completion.completion_id
        for score in scores
        if isinstance(score, events_pb2.RewardScored)
    )
    assert max(completions.values()) == 1
    sizes = Counter(
        score.completion.group_id for score in scores if isinstance(score, events_pb2.RewardScored)
    )
    for group in learned:
        assert sizes[group] == 4


async def logged(nats_url: str, job_id: str) -> tuple[list[Message], list[Message]]:
    """What a job left in the streams of events and of scores."""
    bus = Bus(ServiceSettings(nats_url=nats_url), "test")
    await bus.connect()
    try:
        events = [entry async for entry in everything(bus, topology.EVENTS_STREAM, job_id)]
        scores = [entry async for entry in everything(bus, topology.SCORES_STREAM, job_id)]
    finally:
        await bus.stop()
    return events, scores


async def everything(bus: Bus, stream: topology.Stream, job_id: str):  # type: ignore[no-untyped-def] # noqa: ANN201
    """All messages of a job in a stream, up to now."""
    info = await bus.js.stream_info(stream.name, subjects_filter=f"burnish.v1.*.*.*.{job_id}")
    left = sum((info.state.subjects or {}).values())
    if left == 0:
        return
    async for entry in bus.read(stream, subjects=[f"burnish.v1.*.*.*.{job_id}"]):
        yield entry.message
        left -= 1
        if left == 0:
            return
