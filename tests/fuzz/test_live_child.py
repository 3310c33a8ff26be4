"""A child that writes random bytes to whatever it holds: no score, and no trace in the next one."""

import random
import secrets
from collections.abc import Iterator

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.wire import Limits, Status
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

ROUNDS = 40
LIMITS = Limits(wall=5.0, workers=4)
NOISE = """
import os, random
def reward(prompt, completion, example):
    rng = random.Random(completion)
    for _ in range(rng.randrange(1, 200)):
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                os.write(fd, rng.randbytes(rng.choice((1, 7, 26, 32, 300, 4096))))
            except OSError:
                pass
    return 1.0
"""
HONEST = "def reward(prompt, completion, example): return float(prompt)"


@pytest.fixture(
    params=[pytest.param(DockerBackend, marks=pytest.mark.docker), ProcessBackend],
    ids=["docker", "process"],
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    backend: Backend = request.param(RewardSettings())
    yield backend
    backend.close()


def job(source: str, prompt: str, completion: str) -> bytes:
    program = Program.python(RewardDefinition(source=source))
    return program.payload(Case(prompt, completion), seed=7)


def test_noise_on_every_descriptor(backend: Backend) -> None:
    lane = WarmLane.start(backend, LaneClass())
    try:
        for _ in range(ROUNDS):
            seed = secrets.token_hex(8)
            noisy = lane.evaluate(job(NOISE, "", seed), LIMITS)
            assert noisy.value is None, seed
            assert noisy.status in {Status.CRASH, Status.OUTPUT_LIMIT, Status.TIMEOUT}, (
                seed,
                noisy,
            )
            if not lane.usable:
                lane.close()
                lane = WarmLane.start(backend, LaneClass())
            value = random.random()
            honest = lane.evaluate(job(HONEST, repr(value), ""), LIMITS)
            assert (honest.status, honest.value) == (Status.OK, value), seed
    finally:
        lane.close()
