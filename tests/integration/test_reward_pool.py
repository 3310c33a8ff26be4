"""Lanes that die at work, and where the work goes."""

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import runs

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend, SandboxError
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import OWNER, DockerBackend
from svc_reward.lane.wire import Limits, Status
from svc_reward.lane_pool import LanePool
from svc_reward.process_backend import PREFIX, ProcessBackend, ProcessLane
from svc_reward.sandbox import Sandbox, open_backend

SETTINGS = RewardSettings(reward_lanes=2, reward_seconds=20)
# The first run leaves no mark that a second one could see: only time tells them apart.
SLOW = "import time\ndef reward(p, c, e):\n time.sleep(1.5)\n return 0.75"
FAST = "def reward(p, c, e): return 0.25"


@pytest.fixture(
    scope="module", params=[pytest.param("docker", marks=pytest.mark.docker), "process"]
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    kind = DockerBackend if request.param == "docker" else ProcessBackend
    backend: Backend = kind(SETTINGS)
    yield backend
    backend.close()


@pytest.fixture
async def pool(backend: Backend) -> AsyncIterator[LanePool]:
    pool = LanePool(backend, SETTINGS)
    yield pool
    await pool.close()


LIMITS = Limits()


def job(source: str) -> tuple[Program, bytes]:
    program = Program.python(RewardDefinition(source=source))
    return program, program.payload(Case("p", "c"), seed=7)


async def test_a_lane_killed_at_work_costs_no_score(pool: LanePool) -> None:
    program, body = job(SLOW)
    await pool.warm(program.lane_class, 1)
    (victim,) = pool._lanes
    task = asyncio.create_task(pool.evaluate(program.lane_class, body, LIMITS))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(victim._process.kill)
    result = await task
    assert (result.status, result.value) == (Status.OK, 0.75)


async def test_many_at_a_time_on_few_lanes(pool: LanePool) -> None:
    program, body = job(FAST)
    results = await asyncio.gather(
        *(pool.evaluate(program.lane_class, body, LIMITS) for _ in range(40))
    )
    assert [result.value for result in results] == [0.25] * 40
    assert pool.lanes <= 2


async def test_a_killed_service_leaves_no_lane(backend: Backend) -> None:
    """Lanes read the end of their stream when their service is gone, however it went."""
    program = (
        "import time\n"
        "from svc_reward.config import RewardSettings\n"
        "from svc_reward.contract import LaneClass\n"
        f"from {type(backend).__module__} import {type(backend).__name__} as Kind\n"
        "from svc_reward.warm_lane import WarmLane\n"
        "backend = Kind(RewardSettings())\n"
        "lane = WarmLane.start(backend, LaneClass())\n"
        "inside = getattr(lane._process, '_container', None)\n"
        "print(inside.id if inside else lane._process._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    service = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE
    )
    assert service.stdout is not None
    lane = (await service.stdout.readline()).decode().strip()
    service.kill()
    await service.wait()
    async with asyncio.timeout(10):
        while lane in await asyncio.to_thread(living, backend):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.1)


def living(backend: Backend) -> set[str]:
    if isinstance(backend, DockerBackend):
        found = backend._client.containers.list(
            all=True, filters={"label": OWNER}, ignore_removed=True
        )
        return {container.id for container in found}
    return {path.name for path in Path("/proc").iterdir() if path.name.isdigit() and runs(path)}


@pytest.mark.docker
async def test_orphans_are_removed_at_start() -> None:
    backend = DockerBackend(SETTINGS)
    try:
        options = backend._options(job(FAST)[0].lane_class, 20_000, "")
        options["labels"] = {**options["labels"], OWNER: "gone"}
        orphan = backend._client.containers.create(**options)
        again = DockerBackend(SETTINGS)
        again.close()
        assert orphan.id not in living(backend)
    finally:
        backend.close()


def test_folders_of_killed_services_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o711)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    alive = ProcessBackend(SETTINGS)
    left = tmp_path / f"{PREFIX}left"
    left.mkdir()
    (left / "lock").touch()
    (left / "scratch").mkdir()
    again = ProcessBackend(SETTINGS)
    assert not left.exists()
    assert alive._folder.exists()
    again.close()
    alive.close()
    assert list(tmp_path.glob(PREFIX + "*")) == []


async def test_without_an_engine_the_service_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(SandboxError) as caught:
        open_backend(RewardSettings(sandbox="auto"))
    for part in ("no Docker Engine answers", "DOCKER_HOST", "BURNISH_SANDBOX=process"):
        assert part in str(caught.value)
    sandbox = Sandbox(RewardSettings(sandbox="auto"))
    result = await sandbox.evaluate(job(FAST)[0], Case("p", "c"))
    assert result.status is Status.SANDBOX_UNAVAILABLE
    assert result.message == str(caught.value) == sandbox.problem
    assert result.value is None
    await sandbox.close()


@pytest.mark.docker
def test_a_missing_prebuilt_image_is_named() -> None:
    settings = RewardSettings(sandbox="docker", lane_image="burnish-no-such-image:1")
    with pytest.raises(SandboxError, match="no image burnish-no-such-image:1"):
        DockerBackend(settings)


@pytest.mark.docker
def test_many_lanes_start_and_end_at_once() -> None:
    """More than the engine's SDK has connections for."""
    backend = DockerBackend(SETTINGS)
    try:
        with ThreadPoolExecutor(40) as threads:
            lanes = list(threads.map(lambda _: backend.launch(LaneClass()), range(40)))
            list(threads.map(lambda lane: lane.kill(), lanes))
        mine = {"label": f"{OWNER}={backend._owner}"}
        assert backend._client.containers.list(all=True, filters=mine) == []
    finally:
        backend.close()


@pytest.mark.parametrize("failing", [{3}, {3, 4}], ids=["one", "all"])
async def test_the_sandbox_opens_with_the_lanes_that_start(
    monkeypatch: pytest.MonkeyPatch, failing: set[int]
) -> None:
    """The first two launches are those of the backend, which tries and attacks itself."""
    launch, started, numbers = ProcessBackend.launch, [], itertools.count(1)

    def sometimes(backend: ProcessBackend, lane_class: LaneClass) -> ProcessLane:
        if next(numbers) in failing:
            raise SandboxError("no room")
        started.append(launch(backend, lane_class))
        return started[-1]

    monkeypatch.setattr(ProcessBackend, "launch", sometimes)
    sandbox = Sandbox(SETTINGS.model_copy(update={"sandbox": "process"}))
    await sandbox.open()
    assert (sandbox.problem, sandbox.lanes) == (("", 1) if failing == {3} else ("no room", 0))
    if failing == {3}:
        program, _ = job(FAST)
        assert (await sandbox.evaluate(program, Case("p", "c"))).value == 0.25
    await sandbox.close()
    assert all(lane._process.poll() is not None for lane in started)
