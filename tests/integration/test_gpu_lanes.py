"""What guards lanes with a GPU, as far as it shows without one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from svc_reward import canary, gpu_leases
from svc_reward.backend import SandboxError
from svc_reward.config import RewardSettings
from svc_reward.contract import PRELOADABLE, LaneClass
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

SETTINGS = RewardSettings(sandbox="process")


@pytest.fixture(scope="module")
def lane() -> Iterator[WarmLane]:
    pytest.importorskip("triton")
    backend = ProcessBackend(SETTINGS)
    lane = WarmLane.start(backend, LaneClass(PRELOADABLE, packages=True, kernels=True))
    yield lane
    lane.close()
    backend.close()


def test_a_sound_lane_passes(lane: WarmLane) -> None:
    canary.check(lane, SETTINGS.limits(packages=True, kernels=True), gpu=False)


def test_a_lane_that_finds_the_kernel_wrong_is_refused(lane: WarmLane) -> None:
    wrong = canary.KERNEL.replace("x * 2.0 + 1.0", "x * 2.0 + 1.5")

    with pytest.raises(SandboxError, match=r"does not pass .* elements are wrong"):
        canary.check(lane, SETTINGS.limits(packages=True, kernels=True), gpu=False, kernel=wrong)


def test_a_gpu_is_leased_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    names = gpu_leases.parse(" 0, GPU-1,0,")
    assert names == ("0", "GPU-1")

    first, second = gpu_leases.lease(names), gpu_leases.lease(names)
    assert (first.name, second.name) == names
    with pytest.raises(SandboxError, match="all GPUs for kernels are in use: 0, GPU-1"):
        gpu_leases.lease(names)
    first.close()
    third = gpu_leases.lease(names)
    assert third.name == "0"
    third.close()
    second.close()
