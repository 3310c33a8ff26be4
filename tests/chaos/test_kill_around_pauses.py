"""kill -9 around pauses and resumes of a real job: nothing is lost, nothing is trained twice."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_kill_services import logged, short_job

from burnish.errors import UnavailableError
from burnish.sdk import Client, Job
from burnish.sdk.types import StepCompleted
from burnish.spec import JobSpec
from burnish.supervisor import Platform
from burnish.v1 import events_pb2, job_pb2

EXAMPLE = Path(__file__).parents[2] / "examples" / "extraction"
STEPS = 3
WAIT_SECONDS = 120.0


@pytest.fixture
def platform(tmp_path: Path, model_dir: Path) -> Iterator[Platform]:
    env = {"BURNISH_MODELS_DIR": str(model_dir.parent), "BURNISH_ACK_WAIT": "3"}
    with Platform(tmp_path / "burnish", env=env) as platform:
        yield platform


def kill(platform: Platform, *services: str) -> None:
    for service in services:
        os.kill(platform.pids[service], signal.SIGKILL)


def persistently(work: Callable[[], Job], until: Callable[[Job], bool] = lambda _: True) -> Job:
    """Ask until the answer is right, whoever is away meanwhile."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            job = work()
        except UnavailableError:
            if time.monotonic() > deadline:
                raise
        else:
            if until(job):
                return job
            assert time.monotonic() < deadline, f"{job.state}: {job.message}"
        time.sleep(0.2)


def job_of_steps() -> JobSpec:
    data = short_job().model_dump(exclude_unset=True)
    data["stages"][0]["rl"]["steps"] = STEPS
    return JobSpec.model_validate(data)


@pytest.mark.model
@pytest.mark.timeout(600)
def test_a_job_is_paused_and_resumed_while_services_die(platform: Platform) -> None:
    with Client(platform.grpc_address) as client:
        job = client.submit(job_of_steps(), EXAMPLE)
        first = next(w for w in client.jobs.watch(job.id) if isinstance(w.event, StepCompleted))
        assert isinstance(first.event, StepCompleted)

        client.jobs.pause(job.id)
        kill(platform, "learner", "gateway")  # the wish is written; who wrote and who reads it die
        rests = persistently(lambda: client.jobs.get(job.id), lambda job: job.state == "paused")
        assert 1 <= rests.step < STEPS, "it stopped at a step boundary on the way"

        persistently(lambda: client.jobs.resume(job.id))
        kill(platform, "gateway", "nats")
        persistently(lambda: client.jobs.get(job.id), lambda job: job.state == "running")
        kill(platform, "learner")
        ended = persistently(lambda: client.jobs.get(job.id), lambda job: job.finished)
        assert (ended.state, ended.resumes) == ("succeeded", 1), ended.message
    asyncio.run(check_the_log(platform.nats_url, job.id))


async def check_the_log(nats_url: str, job_id: str) -> None:
    """Each step once, each group in one step, each completion scored once, one pause."""
    events, scores = await logged(nats_url, job_id)
    steps = [event for event in events if isinstance(event, events_pb2.StepCompleted)]
    assert [step.step for step in steps] == list(range(1, STEPS + 1))
    learned = Counter(group for step in steps for group in step.group_ids)
    assert max(learned.values()) == 1
    scored = Counter(
        score.completion.completion_id
        for score in scores
        if isinstance(score, events_pb2.RewardScored)
    )
    assert max(scored.values()) == 1
    states = [event.state for event in events if isinstance(event, events_pb2.JobUpdated)]
    assert states.count(job_pb2.JOB_STATE_PAUSED) == 1
