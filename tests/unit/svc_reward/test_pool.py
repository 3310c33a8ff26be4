"""The pool's decisions, over lanes that do as they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from svc_reward import lane_pool
from svc_reward.backend import SandboxError
from svc_reward.config import RewardSettings
from svc_reward.contract import LaneClass
from svc_reward.lane.wire import Limits, Status
from svc_reward.lane_pool import LanePool
from svc_reward.outcome import Outcome

GOOD = Outcome(Status.OK, 1.0)
LOST = Outcome(Status.LANE_ERROR, message="gone")
TORCH = LaneClass(("torch",), packages=True)


class FakeLane:
    """Stands in for WarmLane; a script says how each evaluation ends."""

    script: list[Outcome | SandboxError]
    alive: int
    started: int
    most: int

    def __init__(self, lane_class: LaneClass) -> None:
        self.lane_class = lane_class
        self.usable = True
        self.evaluations = 0

    @classmethod
    def start(cls, _: object, lane_class: LaneClass) -> "FakeLane":
        if cls.script and isinstance(cls.script[0], SandboxError):
            raise cls.script.pop(0)  # type: ignore[misc]
        cls.alive += 1
        cls.started += 1
        cls.most = max(cls.most, cls.alive)
        return cls(lane_class)

    def evaluate(self, _payload: bytes, _limits: Limits) -> Outcome:
        self.evaluations += 1
        result = self.script.pop(0) if self.script else GOOD
        assert isinstance(result, Outcome)
        self.usable = not result.infrastructure and result.status is not Status.CRASH
        return result

    def close(self) -> None:
        type(self).alive -= 1


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LanePool]:
    FakeLane.script, FakeLane.alive, FakeLane.started, FakeLane.most = [], 0, 0, 0
    monkeypatch.setattr(lane_pool, "WarmLane", FakeLane)
    pool = LanePool(object(), RewardSettings(reward_lanes=2, lane_evaluations=10))  # type: ignore[arg-type]
    yield pool
    await pool.close()
    assert FakeLane.alive == 0


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not condition():  # noqa: ASYNC110 - the pool has no event for tests
            await asyncio.sleep(0.005)


async def test_lanes_are_used_again(pool: LanePool) -> None:
    await pool.warm(LaneClass(), 2)
    results = await asyncio.gather(*(pool.evaluate(LaneClass(), b"", Limits()) for _ in range(8)))
    assert results == [GOOD] * 8
    assert FakeLane.started == 2


async def test_infrastructure_is_retried_on_other_lanes(pool: LanePool) -> None:
    FakeLane.script = [LOST, LOST, GOOD]
    assert await pool.evaluate(LaneClass(), b"", Limits()) == GOOD
    assert FakeLane.started >= 3


async def test_a_job_that_breaks_three_lanes_is_given_up(pool: LanePool) -> None:
    FakeLane.script = [LOST, LOST, LOST, GOOD]
    assert await pool.evaluate(LaneClass(), b"", Limits()) == LOST


async def test_a_fault_of_the_judged_code_is_not_retried(pool: LanePool) -> None:
    fault = Outcome(Status.ERROR, message="1/0")
    FakeLane.script = [fault, GOOD]
    assert await pool.evaluate(LaneClass(), b"", Limits()) == fault


async def test_a_lane_that_is_not_clean_is_replaced(pool: LanePool) -> None:
    FakeLane.script = [Outcome(Status.CRASH)]
    await pool.evaluate(LaneClass(), b"", Limits())
    await settled(lambda: FakeLane.started == 2)
    assert pool.lanes == FakeLane.alive == 1


async def test_a_lane_is_replaced_after_so_many_evaluations(pool: LanePool) -> None:
    for _ in range(11):
        await pool.evaluate(LaneClass(), b"", Limits())
    await settled(lambda: FakeLane.started > 1)


async def test_no_sandbox_is_said_and_never_raised(pool: LanePool) -> None:
    FakeLane.script = [SandboxError("no engine")] * 3
    result = await pool.evaluate(LaneClass(), b"", Limits())
    assert (result.status, result.message) == (Status.SANDBOX_UNAVAILABLE, "no engine")
    assert await pool.evaluate(LaneClass(), b"", Limits()) == GOOD


async def test_two_classes_do_not_push_each_other_out(pool: LanePool) -> None:
    await pool.warm(LaneClass(), 2)
    for _ in range(4):
        await pool.evaluate(TORCH, b"", Limits())
        await pool.evaluate(LaneClass(), b"", Limits())
    assert FakeLane.started == 3


async def test_idle_lanes_of_other_classes_make_room(pool: LanePool) -> None:
    for name in "abcdefg":
        await pool.evaluate(LaneClass((name,), packages=True), b"", Limits())
    assert FakeLane.most <= 4


async def test_a_cancelled_caller_leaves_no_lane_behind(pool: LanePool) -> None:
    task = asyncio.create_task(pool.evaluate(LaneClass(), b"", Limits()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await pool.evaluate(LaneClass(), b"", Limits()) == GOOD


GPU = LaneClass(kernels=True, gpu=True)
NO_DEVICE = SandboxError("a kernel that is known to be right does not pass")
ILLEGAL = Outcome(Status.OK, 0.0, "CUDA error: an illegal memory access", parts={"ran": 0.0})
HUNG = Outcome(Status.TIMEOUT, message="took too long", parts={"ran": 0.0})
CRASHED = Outcome(Status.CRASH, message="was ended by SIGSEGV", parts={"ran": 0.0})  # lane unusable


@pytest.fixture
async def on_gpu(
    monkeypatch: pytest.MonkeyPatch, pool: LanePool
) -> AsyncIterator[tuple[LanePool, list[SandboxError | None]]]:
    """A pool with one GPU, and what its checks find: right kernels once the list is used up."""
    checks: list[SandboxError | None] = []

    def check(*_: object, **__: object) -> None:
        if checks and (found := checks.pop(0)) is not None:
            raise found

    monkeypatch.setattr("svc_reward.canary.check", check)
    settings = RewardSettings(reward_lanes=2, lane_evaluations=10, lane_gpus="0")
    pool = LanePool(object(), settings)  # type: ignore[arg-type]
    yield pool, checks
    await pool.close()


@pytest.mark.parametrize("found", [ILLEGAL, HUNG])
async def test_a_kernels_failure_is_its_own_if_a_known_one_is_right_after_it(
    on_gpu: tuple[LanePool, list[SandboxError | None]], found: Outcome
) -> None:
    pool, _ = on_gpu
    FakeLane.script = [found]
    assert await pool.evaluate(GPU, b"", Limits()) == found
    assert FakeLane.started == 1


@pytest.mark.parametrize("found", [ILLEGAL, HUNG])
async def test_a_failure_on_a_broken_device_is_tried_again_on_a_fresh_lane(
    on_gpu: tuple[LanePool, list[SandboxError | None]], found: Outcome
) -> None:
    pool, checks = on_gpu
    FakeLane.script = [found]
    checks += [None, NO_DEVICE]
    assert await pool.evaluate(GPU, b"", Limits()) == GOOD
    assert FakeLane.started == 2


@pytest.mark.parametrize("broken", [False, True])
async def test_after_a_lost_lane_its_successor_says_whose_fault_it_was(
    on_gpu: tuple[LanePool, list[SandboxError | None]], *, broken: bool
) -> None:
    pool, checks = on_gpu
    FakeLane.script = [CRASHED]
    checks += [None, NO_DEVICE] if broken else []
    result = await pool.evaluate(GPU, b"", Limits())
    assert result == (GOOD if broken else CRASHED)
    assert FakeLane.most == 1
    assert FakeLane.started == (3 if broken else 2)


async def test_a_device_that_stays_broken_gives_no_score(
    on_gpu: tuple[LanePool, list[SandboxError | None]],
) -> None:
    pool, checks = on_gpu
    FakeLane.script = [ILLEGAL]
    checks += [None, *[NO_DEVICE] * 5]
    result = await pool.evaluate(GPU, b"", Limits())
    assert result.infrastructure
    assert result.value is None
