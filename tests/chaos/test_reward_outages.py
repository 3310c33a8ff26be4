"""The reward service loses its engine, or its life, at work: every completion is scored once."""

import asyncio
import contextlib
import gc
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from processes import runs

from burnish.bus import Bus, topology
from burnish.config import ServiceSettings
from burnish.reward_spec import RewardDefinition
from burnish.v1 import common_pb2, events_pb2, rewards_service_pb2
from svc_reward.app import RewardService
from svc_reward.config import RewardSettings
from svc_reward.docker_backend import OWNER
from svc_reward.process_backend import PREFIX

COMPLETIONS = 12
ENGINE_SECONDS = 90
# Long enough that whatever breaks finds some of them at work; never 0, so that a 0 is a fault's.
SOURCE = "import time\ndef reward(p, c, e):\n time.sleep(0.6)\n return (int(c) + 1) / 100"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root starts engines and sees into lanes"),
    pytest.mark.timeout(400),
]


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    """Not the service's: what publishes completions and reads scores."""
    bus = Bus(ServiceSettings(nats_url=nats_url), "test")
    await bus.connect()
    yield bus
    await bus.stop()


async def submit(bus: Bus) -> None:
    definition = RewardDefinition.parse({"source": SOURCE})
    entry = rewards_service_pb2.Reward(
        name="slow", revision=definition.revision, definition=definition.to_proto()
    )
    bucket = await bus.kv(topology.REWARDS, rewards_service_pb2.Reward)
    await bucket.put(f"slow.{definition.revision}", entry)
    reward = common_pb2.RewardRef(name="slow", revision=definition.revision, weight=1.0)
    messages = [common_pb2.Message(role="user", content="How many?")]
    for index in range(COMPLETIONS):
        message = events_pb2.RolloutCompleted(
            project="default",
            job_id="job-1",
            group_id="job-1.rl.0",
            completion_id=f"job-1.rl.0.{index}",
            index=index,
            row=common_pb2.PromptRow(id="0", messages=messages),
            completion=str(index),
            rewards=[reward],
        )
        await bus.publish(message, id=message.completion_id)


async def scores(bus: Bus, count: int) -> list[events_pb2.RewardScored]:
    """The first so many; everything else on the stream as well, a second after them."""
    found: list[events_pb2.RewardScored] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(200) as limit:
            async for entry in bus.read(topology.SCORES_STREAM):
                assert isinstance(entry.message, events_pb2.RewardScored)
                found.append(entry.message)
                if len(found) == count < COMPLETIONS:
                    break
                if len(found) == count:
                    limit.reschedule(asyncio.get_running_loop().time() + 1)
    return found


def check(found: list[events_pb2.RewardScored]) -> None:
    rewards = {each.completion.index: each.reward for each in found if each.HasField("reward")}
    assert rewards == {index: (index + 1) / 100 for index in range(COMPLETIONS)}, found
    assert len(found) == COMPLETIONS


class Engine:
    """A Docker Engine of this test's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.host = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        folder = self._folder
        # In a network namespace of its own: without a bridge, an engine removes the machine's docker0.
        command: list[str | Path] = ["unshare", "--net", "dockerd", "--host", self.host]
        command += ["--data-root", folder / "data"]
        command += ["--exec-root", folder / "exec", "--pidfile", folder / "pid"]
        command += ["--bridge", "none", "--iptables=false", "--ip6tables=false"]
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until = time.monotonic() + ENGINE_SECONDS
        while not self._answers():
            assert self._process.poll() is None, (folder / "log").read_text()[-2000:]
            assert time.monotonic() < until, (folder / "log").read_text()[-2000:]
            time.sleep(0.2)

    def _answers(self) -> bool:
        command = ["docker", "--host", self.host, "version"]
        return not subprocess.run(command, check=False, capture_output=True).returncode

    def end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(ENGINE_SECONDS)
        self._process = None

    def containers(self) -> str:
        command = ["docker", "--host", self.host, "ps", "--all", "--quiet"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def mounts(folder: Path) -> list[str]:
    """What a killed engine has left mounted, the innermost first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    found = [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]
    return sorted(found, reverse=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    if shutil.which("dockerd") is None:
        pytest.skip("no dockerd to start an engine with")
    # Not pytest's folder: paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="burnish-engine-"))
    engine = Engine(folder)
    try:
        engine.start()
        yield engine
    finally:
        engine.end(signal.SIGTERM)
        for mount in mounts(folder):
            subprocess.run(["umount", mount], check=True)
        shutil.rmtree(folder)
        # The SDK leaves sockets that no engine answers to the collector, which warns of them.
        gc.collect()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.docker
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
async def test_an_engine_that_restarts_costs_no_score(
    bus: Bus, nats_url: str, engine: Engine, end: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    settings = RewardSettings(nats_url=nats_url, sandbox="docker", reward_lanes=2, drain_seconds=0)
    own = Bus(settings, "reward")
    await own.connect()
    service = RewardService(own, settings)
    await service.start()
    assert service.status().ready, service.status().activity
    await own.start()
    try:
        await submit(bus)
        assert len(await scores(bus, 2)) == 2
        await asyncio.to_thread(engine.end, end)
        # Deliveries meet no engine for a while.
        await asyncio.sleep(3)
        await asyncio.to_thread(engine.start)
        check(await scores(bus, COMPLETIONS))
    finally:
        await own.drain()
        await service.stop()
        await own.close()
    assert engine.containers() == ""


@pytest.fixture
def folder() -> Iterator[Path]:
    """For temporary files of services whose lanes have other uids: all may pass through it."""
    folder = Path(tempfile.mkdtemp(prefix="burnish-chaos-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def serving(sandbox: str, nats_url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    own = {"NATS_URL": nats_url, "SANDBOX": sandbox, "REWARD_LANES": "2", "ACK_WAIT": "3"}
    own |= {"DATA_DIR": str(folder / "data"), "DRAIN_SECONDS": "0"}
    environment = os.environ | {f"BURNISH_{name}": value for name, value in own.items()}
    environment |= {"TMPDIR": str(folder)}
    with (folder / "log").open("ab") as log:
        command = [sys.executable, "-m", "svc_reward"]
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("sandbox", [pytest.param("docker", marks=pytest.mark.docker), "process"])
async def test_a_killed_service_leaves_its_work_and_nothing_else(
    bus: Bus, nats_url: str, folder: Path, sandbox: str
) -> None:
    await submit(bus)
    with serving(sandbox, nats_url, folder) as first:
        assert len(await scores(bus, 3)) == 3, (folder / "log").read_text()[-2000:]
        held = Held(first.pid, folder)
        assert held.alive(), "it has lanes"
        first.kill()
        first.wait()
    with serving(sandbox, nats_url, folder):
        check(await scores(bus, COMPLETIONS))
        async with asyncio.timeout(30):
            while held.alive():  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.1)


class Held:
    """What a running service holds: processes, folders and containers."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._processes = [Path(f"/proc/{each}") for each in descendants(pid)]
        self._folders = list(folder.glob(f"{PREFIX}*"))
        self._owner = owner_of(pid)

    def alive(self) -> list[str]:
        paths = [path for path in self._processes if runs(path)]
        paths += [path for path in self._folders if path.exists()]
        return [str(path) for path in paths] + self._containers()

    def _containers(self) -> list[str]:
        if not self._owner:
            return []
        command = ["docker", "ps", "--all", "--quiet", "--filter", f"label={OWNER}={self._owner}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def owner_of(pid: int) -> str:
    """The name that a service with Docker lanes holds as a socket, and labels its lanes with."""
    sockets = Path("/proc/net/unix").read_text()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        inode = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
        if inode and (name := re.search(rf" {inode[1]} @burnish-lanes-(\w+)", sockets)):
            return name[1]
    return ""


def descendants(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found
