"""Candidates that wait for their job, in real lanes; a tensor stands in for a GPU's context."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward import canary
from svc_reward.backend import Backend, SandboxError
from svc_reward.config import RewardSettings
from svc_reward.contract import PRELOADABLE, Case, LaneClass, Program
from svc_reward.docker_backend import DockerBackend, DockerLane
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import Mode, ProcessBackend, ProcessLane
from svc_reward.warm_lane import WarmLane

SETTINGS = RewardSettings(reward_kernel_seconds=60)
LANE = LaneClass(PRELOADABLE, packages=True, kernels=True, standby=True)
SHARED = Mode(own_uids=True, namespaces=False)
BACKENDS: dict[str, Callable[[], Backend]] = {
    "docker": lambda: DockerBackend(SETTINGS),
    "process": lambda: ProcessBackend(SETTINGS),
    "shared": lambda: ProcessBackend(SETTINGS, (SHARED,)),
}
LOADS = "class ModelNew(torch.nn.Module):\n"
LOOPS = canary.KERNEL.replace(LOADS, "while True:\n    pass\n\n\n" + LOADS)
ALLOCATES = canary.KERNEL.replace(LOADS, "torch.ones(1 << 31)\n\n\n" + LOADS)


@pytest.fixture(
    scope="module",
    params=[pytest.param("docker", marks=pytest.mark.docker), *("process", "shared")],
)
def lane(request: pytest.FixtureRequest) -> Iterator[WarmLane]:
    pytest.importorskip("triton")
    if os.geteuid() != 0 and request.param != "docker":
        pytest.skip("uids of their own need root")
    backend = BACKENDS[request.param]()
    lane = WarmLane.start(backend, LANE)
    yield lane
    lane.close()
    backend.close()


def judge(lane: WarmLane, kernel: str = canary.KERNEL, *, wall: float = 60.0) -> Outcome:
    program = Program.triton(RewardDefinition(preset="triton", options={"trials": 1}))
    limits = SETTINGS.limits(packages=True, kernels=True, workers=program.workers)
    case = Case("", kernel, {"task": canary.TASK})
    return lane.evaluate(program.payload(case, seed=3), limits._replace(wall=wall))


def is_right(found: Outcome) -> bool:
    return found.status is Status.OK and found.parts.get("correct") == 1.0


def children(lane: WarmLane) -> dict[int, int]:
    """Who runs in the lane under a uid of the lane's block: pid → uid."""
    found, below = {}, {init(lane)}
    for pid in sorted(int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        if int(fields["PPid"]) in below and "Z" not in fields["State"]:
            below.add(pid)
            if uid := int(fields["Uid"].split()[0]):
                found[pid] = uid
    return found


def init(lane: WarmLane) -> int:
    process = lane._process
    if isinstance(process, DockerLane):
        process._container.reload()
        return int(process._container.attrs["State"]["Pid"])
    assert isinstance(process, ProcessLane)
    return process._process.pid


def standby(lane: WarmLane) -> tuple[int, int]:
    """The one process that an idle lane has, soon, under a uid of its own."""
    until = time.monotonic() + 30
    while not (found := children(lane)) and time.monotonic() < until:
        time.sleep(0.1)
    ((pid, uid),) = found.items()
    return pid, uid


def test_each_evaluation_gets_a_process_that_waited_and_its_own_uid(lane: WarmLane) -> None:
    seen = []
    for _ in range(3):
        seen.append(standby(lane))
        assert is_right(judge(lane))
        assert lane.usable
    assert len({pid for pid, _ in seen}) == 3
    assert len({uid for _, uid in seen}) == 3


def test_the_one_that_waited_runs_the_kernel_alone(lane: WarmLane) -> None:
    waiting = standby(lane)
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(judge, lane, LOOPS, wall=9.0)
        time.sleep(2)
        during = children(lane)
        assert found.result().status is Status.TIMEOUT
    judges = set(during.items()) - {waiting}
    # The next one does not start before the evaluation is over: it would disturb what is timed.
    assert waiting in during.items()
    assert len(judges) == 1
    assert standby(lane)[1] not in {waiting[1], *(uid for _, uid in judges)}
    assert lane.usable


def test_time_of_waiting_is_not_the_kernels(lane: WarmLane) -> None:
    standby(lane)
    time.sleep(4)
    found = judge(lane, wall=9.0)
    assert is_right(found)
    assert found.seconds < 9.0


def test_the_jobs_limits_hold(lane: WarmLane) -> None:
    found = judge(lane, ALLOCATES)
    assert found.status is Status.MEMORY_LIMIT, found
    assert is_right(judge(lane))


def test_one_that_nobody_needed_stays(lane: WarmLane) -> None:
    waiting = standby(lane)
    found = judge(lane, "no code at all")
    assert found.parts["format"] == 0.0
    assert standby(lane) == waiting
    assert lane.usable


def test_one_that_died_is_replaced(lane: WarmLane) -> None:
    pid, uid = standby(lane)
    os.kill(pid, signal.SIGKILL)
    assert is_right(judge(lane))
    assert lane.usable
    assert standby(lane)[1] != uid


def test_a_lane_in_which_none_gets_warm_does_not_start() -> None:
    backend = ProcessBackend(SETTINGS)
    with pytest.raises(SandboxError, match="torch"):
        WarmLane.start(backend, LaneClass(standby=True))  # has no PyTorch
    backend.close()


def test_lanes_that_share_one_uid_keep_one_as_well() -> None:
    pytest.importorskip("triton")
    backend = ProcessBackend(SETTINGS, (Mode(own_uids=False, namespaces=False),))
    lane = WarmLane.start(backend, LANE)
    for _ in range(2):
        assert is_right(judge(lane))
        assert lane.usable
    lane.close()
    backend.close()
