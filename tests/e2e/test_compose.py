"""A short job through the containers of compose.yaml. `make test-containers` builds them and runs it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import docker
import openai
import pytest

from burnish.demo.tasks import TASKS, prepare
from burnish.sdk import Client, StepCompleted
from burnish.spec import JobSpec
from burnish.supervisor.ports import free_port

ROOT = Path(__file__).parents[2]
RL_STEPS = 2
SERVICES = {"gateway", "learner", "reward", "rollout", "serve"}
LANE_HOST = "burnish.lane.host"
"""The label by which a lane names the machine, here the container, that started it."""

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        os.environ.get("BURNISH_TEST_CONTAINERS") != "1", reason="`make test-containers` runs it"
    ),
]


@dataclass(frozen=True, slots=True)
class Project:
    """One set of containers, volumes and a network, apart from any other on this engine."""

    name: str
    http_port: int
    grpc_port: int

    def compose(self, *arguments: str) -> str:
        env = {
            **os.environ,
            "BURNISH_HTTP_PORT": str(self.http_port),
            "BURNISH_GRPC_PORT": str(self.grpc_port),
        }
        command = [ROOT / "scripts" / "compose.sh", "--project-name", self.name, *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def project(engine: docker.DockerClient) -> Iterator[Project]:
    project = Project(f"burnish-test-{os.getpid()}", free_port(), free_port())
    machines: set[str] = set()
    try:
        project.compose("up", "--detach", "--wait", "--no-build")
        yield project
    finally:
        machines = {container.id for container in containers_of(engine, project)}
        try:
            # pytest shows this for a failed test only.
            sys.stdout.write(project.compose("logs", "--no-color", "--tail", "60"))
        finally:
            project.compose("down", "--volumes", "--remove-orphans", "--timeout", "20")
    wait_until_nothing_is_left(engine, project, machines)


def short_job(folder: Path) -> tuple[JobSpec, Path]:
    prepared = prepare(TASKS["extraction"], folder, short=True)
    stages = tuple(
        stage.model_copy(update={"rl": stage.rl.model_copy(update={"steps": RL_STEPS})})
        if stage.rl
        else stage
        for stage in prepared.spec.stages
    )
    return prepared.spec.model_copy(update={"stages": stages}), prepared.folder


def test_a_job_runs_through_the_containers(
    project: Project, engine: docker.DockerClient, tmp_path: Path
) -> None:
    with Client(f"127.0.0.1:{project.grpc_port}") as client:
        services = {service.service: service for service in client.services()}
        assert set(services) == SERVICES
        assert services["reward"].details["sandbox"] == "docker"

        spec, folder = short_job(tmp_path)
        job = client.submit(spec, folder)
        events = [watched.event for watched in client.jobs.watch(job.id)]
        ended = client.jobs.wait(job.id)
        assert ended.state == "succeeded", ended.message
        steps = [event for event in events if isinstance(event, StepCompleted)]
        assert sum(step.stage == "rl" for step in steps) == RL_STEPS

    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{project.http_port}/v1", api_key="unused"
    ) as client:
        for model in (spec.base_model, f"{job.id}@latest"):
            reply = client.chat.completions.create(
                model=model,
                messages=[{"role": "user", "content": "Say hello."}],
                max_tokens=8,
            )
            assert reply.choices[0].message.content

    users = {
        container.labels["com.docker.compose.service"]: container.attrs["Config"]["User"]
        for container in containers_of(engine, project)
    }
    assert {name for name, user in users.items() if user != "burnish"} == {"reward"}


def containers_of(
    engine: docker.DockerClient, project: Project
) -> list[docker.models.containers.Container]:
    label = f"com.docker.compose.project={project.name}"
    return engine.containers.list(all=True, filters={"label": label})


def wait_until_nothing_is_left(
    engine: docker.DockerClient, project: Project, machines: set[str], seconds: float = 15
) -> None:
    """Fails where containers, volumes, networks or lanes of the project outlive it."""
    label = {"label": f"com.docker.compose.project={project.name}"}
    until = time.monotonic() + seconds
    while True:
        lanes = [
            lane
            for lane in engine.containers.list(all=True, filters={"label": LANE_HOST})
            if any(id_.startswith(lane.labels[LANE_HOST][:12]) for id_ in machines)
        ]
        left = [
            *containers_of(engine, project),
            *engine.volumes.list(filters=label),
            *engine.networks.list(filters=label),
            *lanes,
        ]
        if not left:
            return
        if time.monotonic() > until:
            pytest.fail(f"left behind: {left}")
        time.sleep(0.5)
