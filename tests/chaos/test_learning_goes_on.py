"""The real model's learning curve goes on behind a kill -9 of the learner, and in a fork."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import digits_job
import pytest

from burnish.sdk import Client
from burnish.sdk.types import EvaluationCompleted, StepCompleted
from burnish.supervisor import Platform

KILLED_AFTER = digits_job.STEPS // 2
FURTHER = 1


@pytest.fixture
def platform(tmp_path: Path, model_dir: Path) -> Iterator[Platform]:
    env = {"BURNISH_MODELS_DIR": str(model_dir.parent), "BURNISH_ACK_WAIT": "3"}
    with Platform(tmp_path / "burnish", env=env) as platform:
        yield platform


@pytest.mark.model
@pytest.mark.timeout(600)
def test_the_curve_goes_on_after_a_crash_and_in_a_fork(platform: Platform, tmp_path: Path) -> None:
    digits_job.write(tmp_path)
    with Client(platform.grpc_address) as client:
        job = client.submit(digits_job.spec(), tmp_path)
        for watched in client.jobs.watch(job.id):
            event = watched.event
            if isinstance(event, StepCompleted) and event.step == KILLED_AFTER:
                os.kill(platform.pids["learner"], signal.SIGKILL)
        curve, held_out = followed(client, job.id)
        assert sorted(curve) == list(range(1, digits_job.STEPS + 1))
        before = [curve[step] for step in range(1, KILLED_AFTER + 1)]
        after = [curve[step] for step in range(KILLED_AFTER + 1, digits_job.STEPS + 1)]
        assert sum(after) / len(after) > sum(before) / len(before)
        assert held_out["final"] > digits_job.BAR

        longer = digits_job.spec(steps=digits_job.STEPS + FURTHER, learning_rate=3e-4)
        fork = client.jobs.fork(job.id, spec=client.upload_parts(longer, tmp_path))
        further, held_out = followed(client, fork.id)
        assert sorted(further) == [digits_job.STEPS + step for step in range(1, FURTHER + 1)]
        assert min(further.values()) > max(before[0], digits_job.START)
        assert held_out["final"] > digits_job.BAR


def followed(client: Client, job_id: str) -> tuple[dict[int, float], dict[str, float]]:
    """Mean reward by step, and on the held-out rows by the evaluation's label."""
    events = [watched.event for watched in client.jobs.watch(job_id)]
    ended = client.jobs.wait(job_id)
    assert ended.state == "succeeded", f"{ended.message} (step {ended.step})"
    return (
        {e.step: e.metrics["reward/mean"] for e in events if isinstance(e, StepCompleted)},
        {e.label: e.reward_mean for e in events if isinstance(e, EvaluationCompleted)},
    )
