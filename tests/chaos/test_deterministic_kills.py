"""kill -9 of each service during a deterministic job: the adapter is the one of a quiet run."""

import hashlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from burnish.sdk import Client
from burnish.sdk.types import StepCompleted
from burnish.spec import JobSpec
from burnish.supervisor import Platform

ROWS = Path(__file__).parents[2] / "examples" / "extraction" / "train.jsonl"
REWARD = """
import zlib

def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    return zlib.crc32(completion.encode()) % 1000 / 1000
"""
VICTIMS = ("serve", "rollout", "reward", "learner", "nats")
"""One of them dies within a step or two of each step."""
DELAY = 3.0
"""Seconds, at most, from a step's event to the death."""


@pytest.fixture
def platform(tmp_path: Path, model_dir: Path) -> Iterator[Platform]:
    env = {"BURNISH_MODELS_DIR": str(model_dir.parent), "BURNISH_ACK_WAIT": "3"}
    with Platform(tmp_path / "burnish", env=env) as platform:
        yield platform


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A folder with all that a job names."""
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(ROWS.read_bytes())
    (folder / "crc.py").write_text(REWARD)
    return folder


def spec(name: str) -> JobSpec:
    rl = {
        "steps": len(VICTIMS) + 1,
        "prompts_per_step": 2,
        "group_size": 3,
        "learning_rate": 1e-3,
        "sampling": {"max_tokens": 12},
        "max_staleness": 1,
    }
    return JobSpec.parse(
        {
            "name": name,
            "deterministic": True,
            "base_model": "smollm2-135m-instruct",
            "training_file": "train.jsonl",
            "rewards": [{"name": "crc", "file": "crc.py"}],
            "stages": [{"rl": rl}],
        }
    )


def digest(client: Client, folder: Path, name: str, killers: Iterator[threading.Timer]) -> str:
    """Of the weights that a job ends with. Each of its steps sets off one of the killers."""
    started = client.submit(spec(name), folder)
    for watched in client.jobs.watch(started.id):
        if isinstance(watched.event, StepCompleted):
            killer = next(killers, None)
            if killer is not None:
                killer.start()
    ended = client.jobs.wait(started.id)
    assert ended.state == "succeeded", ended.message
    assert ended.adapter is not None
    pulled = client.adapters.pull(ended.adapter.name, folder / name)
    return hashlib.sha256((pulled / "adapter_model.safetensors").read_bytes()).hexdigest()


@pytest.mark.model
@pytest.mark.timeout(900)
def test_a_deterministic_job_ends_in_the_same_bytes(platform: Platform, job: Path) -> None:
    killed: list[str] = []

    def kill(name: str) -> None:
        os.kill(platform.pids[name], signal.SIGKILL)
        killed.append(name)

    rng = random.Random(1)
    killers = [threading.Timer(DELAY * rng.random(), kill, [name]) for name in VICTIMS]
    with Client(platform.grpc_address) as client:
        quiet = digest(client, job, "quiet", iter(()))
        disturbed = digest(client, job, "disturbed", iter(killers))
    assert tuple(sorted(killed)) == tuple(sorted(VICTIMS))
    assert disturbed == quiet
