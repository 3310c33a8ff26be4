"""Every attack, on every kind of sandbox: what it comes to, and what the next evaluation sees."""

import os
import random
import socket
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from attack import LIMITS, Attack
from cases import (
    disk,
    forgeries,
    kernel_calls,
    memory,
    network,
    output,
    processes,
    programs,
    secrets,
)

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import Mode, ProcessBackend
from svc_reward.warm_lane import WarmLane

TOPICS: Mapping[str, Sequence[Attack]] = {
    "processes": processes.ATTACKS,
    "memory": memory.ATTACKS,
    "disk": disk.ATTACKS,
    "output": output.ATTACKS,
    "network": network.ATTACKS,
    "kernel calls": kernel_calls.ATTACKS,
    "secrets": secrets.ATTACKS,
    "forgeries": forgeries.ATTACKS,
    "programs": programs.ATTACKS,
    "requests": programs.REQUESTS,
}
ATTACKS = [
    pytest.param(topic, attack, id=f"{topic}: {attack.name}")
    for topic, attacks in TOPICS.items()
    for attack in attacks
]

CANARY = """
import os, socket, threading
def reward(prompt, completion, example):
    print(os.listdir("."), threading.active_count(), completion)
    if example["isolation"] == "process-unsafe":
        return float(prompt)
    print(os.listdir("/dev/shm"), sum(name.isdigit() for name in os.listdir("/proc")))
    return float(prompt)
"""
"""The next evaluation: its score is known to nobody before, and it looks around."""


def docker() -> Backend:
    return DockerBackend(RewardSettings(sandbox="docker"))


def process() -> Backend:
    return ProcessBackend(RewardSettings(sandbox="process"))


def unsafe() -> Backend:
    shared = Mode(own_uids=False, namespaces=False)
    return ProcessBackend(RewardSettings(sandbox="process"), (shared,))


class Host:
    """What attacks would like to reach outside, and whether one has."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "secret"
        self.file.write_text("untouched")
        self._server = socket.create_server(("127.0.0.1", 0))
        self._name = f"burnish-attacks-{os.getpid()}"
        self._abstract = socket.socket(socket.AF_UNIX)
        self._abstract.bind("\0" + self._name)
        self._abstract.listen()

    @property
    def targets(self) -> Mapping[str, str]:
        return {
            "file": str(self.file),
            "port": str(self._server.getsockname()[1]),
            "abstract": self._name,
            "pid": str(os.getpid()),
        }

    def check(self) -> None:
        """Nobody has called, and nothing has changed."""
        assert self.file.read_text() == "untouched"
        for server in (self._server, self._abstract):
            server.settimeout(0)
            with pytest.raises(BlockingIOError):
                server.accept()

    def close(self) -> None:
        self._server.close()
        self._abstract.close()


class Range:
    """One lane that is attacked over and over, replaced when it says that it is not clean."""

    def __init__(self, backend: Backend, host: Host) -> None:
        self.backend = backend
        self.host = host
        self.lane = WarmLane.start(backend, LaneClass())
        self.recycled = 0

    @property
    def own_uids(self) -> bool:
        return self.backend.isolation != "process-unsafe"

    def attack(self, attack: Attack) -> Outcome:
        source = "def reward(prompt, completion, example):\n" + textwrap.indent(attack.code, "    ")
        return self._run(source, "c", attack.limits, dict(self.host.targets))

    def program(self, attack: Attack, answer: str) -> Outcome:
        return self._run(programs.JUDGE, attack.code, attack.limits, {"answer": answer})

    def next(self, secret: float) -> Outcome:
        example = {"isolation": self.backend.isolation}
        return self._run(CANARY, "earlier-canary-5b1f-6c2", LIMITS, example, prompt=repr(secret))

    def _run(
        self,
        source: str,
        completion: str,
        limits: Limits,
        example: Mapping[str, str],
        prompt: str = "p",
    ) -> Outcome:
        if not self.lane.usable:
            self.lane.close()
            self.recycled += 1
            self.lane = WarmLane.start(self.backend, LaneClass())
        program = Program.python(RewardDefinition(source=source))
        payload = program.payload(Case(prompt, completion, example), seed=7)
        return self.lane.evaluate(payload, limits)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"))
    os.environ["BURNISH_SECRET"] = "s3cret"
    yield host
    del os.environ["BURNISH_SECRET"]
    host.close()


@pytest.fixture(
    scope="module",
    params=[pytest.param(docker, marks=pytest.mark.docker), process, unsafe],
    ids=lambda make: make.__name__,
)
def lanes(request: pytest.FixtureRequest, host: Host) -> Iterator[Range]:
    backend = request.param()
    found = Range(backend, host)
    yield found
    found.lane.close()
    backend.close()


@pytest.mark.parametrize(("topic", "attack"), ATTACKS)
def test_attack(lanes: Range, host: Host, topic: str, attack: Attack) -> None:
    if attack.machine and os.uname().machine != attack.machine:
        pytest.skip(f"system call numbers of {attack.machine}")
    if not attack.shared_uid and not lanes.own_uids:
        pytest.skip("not promised where evaluations share a uid")
    if topic == "programs":
        result = lanes.program(attack, f"answer-{random.random()}")
    else:
        result = lanes.attack(attack)
    assert result.status in attack.statuses, result
    if attack.value is not None or result.status is not Status.OK:
        assert result.value == attack.value, result
    assert all(c in "\n\t" or c.isprintable() for c in result.message + result.stdout)

    secret = random.random()
    after = lanes.next(secret)
    assert (after.status, after.value) == (Status.OK, secret), after
    seen = "[] 1 earlier-canary-5b1f-6c2\n" + ("[] 3\n" if lanes.own_uids else "")
    assert after.stdout == seen
    host.check()


def test_most_attacks_leave_the_lane_clean(lanes: Range) -> None:
    """A lane is given up where sweeping cannot be proven; that is for few."""
    assert lanes.recycled <= len(ATTACKS) // 10


def test_the_suite_is_whole() -> None:
    assert len(ATTACKS) >= 200
    assert all(len(attacks) >= 8 for attacks in TOPICS.values())
    assert len({(topic, a.name) for topic, found in TOPICS.items() for a in found}) == len(ATTACKS)
