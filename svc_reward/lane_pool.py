"""Warm lanes, shared by all evaluations of this service."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from burnish.logs import get_logger
from svc_reward import canary, gpu_leases, outcome
from svc_reward.backend import Backend, SandboxError
from svc_reward.config import RewardSettings
from svc_reward.contract import LaneClass
from svc_reward.lane.wire import Limits
from svc_reward.outcome import Outcome
from svc_reward.warm_lane import WarmLane

log = get_logger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

RETRIES = 2
"""How often a job whose lane failed gets another lane."""
CLOSING = "the reward service is shutting down"


class LanePool:
    """Gives each evaluation a lane of its class, and replaces lanes that are not as they were.

    At most `reward_lanes` evaluations run at a time, beside one on each GPU for kernels. Idle lanes
    of other classes are kept, up to as many again, so that a job whose rewards need different
    modules does not restart lanes all the time.
    """

    def __init__(self, backend: Backend, settings: RewardSettings) -> None:
        self._backend = backend
        self._settings = settings
        self._running = asyncio.Semaphore(settings.reward_lanes)
        self._gpus = len(gpu_leases.parse(settings.lane_gpus))
        self._on_gpus = asyncio.Semaphore(self._gpus)
        self._lanes: set[WarmLane] = set()
        self._starting = 0
        # Least recently used first.
        self._idle: list[WarmLane] = []
        self._tasks: set[asyncio.Task[object]] = set()
        self._threads = ThreadPoolExecutor(2 * (settings.reward_lanes + self._gpus) + 2, "lane")
        self._closed = False

    @property
    def lanes(self) -> int:
        """Lanes that are warm, or becoming so."""
        return len(self._lanes) + self._starting

    async def warm(self, lane_class: LaneClass, lanes: int) -> None:
        """Start lanes before they are needed.

        Raises:
            SandboxError: none of them starts.
        """
        launches = (self._launch(lane_class) for _ in range(lanes))
        ended = await asyncio.gather(*launches, return_exceptions=True)
        started = [each for each in ended if isinstance(each, WarmLane)]
        failures = [each for each in ended if isinstance(each, BaseException)]
        for failure in failures:
            if not started or not isinstance(failure, SandboxError):
                raise failure
            log.warning("lane.not_started", reason=str(failure))
        self._idle += started

    async def evaluate(self, lane_class: LaneClass, payload: bytes, limits: Limits) -> Outcome:
        """Run one job; infrastructure faults are retried on other lanes. Never raises."""
        async with self._on_gpus if lane_class.gpu else self._running:
            result = await self._shielded(lane_class, payload, limits)
            for retry in range(RETRIES):
                if not result.infrastructure or self._closed:
                    break
                log.warning("lane.retry", status=result.status.name, reason=result.message)
                # Where an engine has restarted, all idle lanes are dead.
                fresh = retry == RETRIES - 1
                result = await self._shielded(lane_class, payload, limits, fresh=fresh)
            if result.infrastructure and self._closed:
                return outcome.unavailable(CLOSING)
            return result

    async def close(self) -> None:
        """End all lanes, busy ones too; whoever waits for them hears of an infrastructure fault."""
        self._closed = True
        self._idle.clear()
        await asyncio.gather(*(self._discard(lane) for lane in list(self._lanes)))
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def _shielded(
        self, lane_class: LaneClass, payload: bytes, limits: Limits, *, fresh: bool = False
    ) -> Outcome:
        """An attempt that ends by itself: a cancelled caller must not leave a lane in limbo."""
        attempt = self._attempt(lane_class, payload, limits, fresh=fresh)
        return await asyncio.shield(self._spawn(attempt))

    async def _attempt(
        self, lane_class: LaneClass, payload: bytes, limits: Limits, *, fresh: bool
    ) -> Outcome:
        try:
            lane = await self._acquire(lane_class, fresh=fresh)
        except SandboxError as error:
            return outcome.unavailable(str(error))
        return await self._use(lane, payload, limits)

    async def _use(self, lane: WarmLane, payload: bytes, limits: Limits) -> Outcome:
        try:
            found = await self._in_thread(lane.evaluate, payload, limits)
            if lane.lane_class.gpu and canary.is_due(found):
                return await self._blamed(lane, found)
            return found
        finally:
            if lane.lane_class.gpu and not self._is_reusable(lane):
                # Before anybody tries to start a lane on the GPU that it has.
                await self._discard(lane)
            self._release(lane)

    async def _blamed(self, lane: WarmLane, found: Outcome) -> Outcome:
        """A failure on a GPU: the kernel's if a known kernel is right after it, else the device's."""
        try:
            if lane.usable:
                await self._in_thread(self._check, lane)
            else:
                # It has to give its GPU back first; whoever starts on a GPU is checked.
                await self._discard(lane)
                self._idle.append(await self._launch(lane.lane_class))
        except SandboxError as error:
            lane.usable = False
            log.warning("lane.device", found=found.message, reason=str(error))
            return outcome.lane_error(str(error))
        return found

    async def _acquire(self, lane_class: LaneClass, *, fresh: bool) -> WarmLane:
        for lane in reversed(self._idle):
            if lane.lane_class == lane_class and not fresh:
                self._idle.remove(lane)
                return lane
        if lane_class.gpu:
            # A lane keeps its GPU for as long as it lives.
            for lane in [lane for lane in self._idle if lane.lane_class.gpu]:
                if sum(other.lane_class.gpu for other in self._lanes) < self._gpus:
                    break
                self._idle.remove(lane)
                await self._discard(lane)
        while self._idle and self.lanes >= 2 * self._settings.reward_lanes:
            await self._discard(self._idle.pop(0))
        return await self._launch(lane_class)

    def _release(self, lane: WarmLane) -> None:
        if lane not in self._lanes:  # has been ended, or replaced, already
            return
        if self._closed:
            self._spawn(self._discard(lane))
        elif self._is_reusable(lane):
            self._idle.append(lane)
        else:
            log.info("lane.recycled", usable=lane.usable, evaluations=lane.evaluations)
            self._spawn(self._replace(lane))

    def _is_reusable(self, lane: WarmLane) -> bool:
        return lane.usable and lane.evaluations < self._settings.lane_evaluations

    async def _replace(self, lane: WarmLane) -> None:
        await self._discard(lane)
        with contextlib.suppress(SandboxError):
            self._idle.append(await self._launch(lane.lane_class))

    async def _launch(self, lane_class: LaneClass) -> WarmLane:
        self._starting += 1
        try:
            lane = await self._in_thread(self._start, lane_class)
        finally:
            self._starting -= 1
        self._lanes.add(lane)
        if self._closed:
            await self._discard(lane)
            raise SandboxError(CLOSING)
        return lane

    def _start(self, lane_class: LaneClass) -> WarmLane:
        lane = WarmLane.start(self._backend, lane_class)
        if lane_class.gpu:
            try:
                self._check(lane)
            except SandboxError:
                lane.close()
                raise
        return lane

    def _check(self, lane: WarmLane) -> None:
        canary.check(lane, self._settings.limits(packages=True, kernels=True), gpu=True)

    async def _discard(self, lane: WarmLane) -> None:
        if lane in self._lanes:
            self._lanes.remove(lane)
            await self._in_thread(lane.close)

    async def _in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: function(*args, **kwargs))

    def _spawn(self, work: Coroutine[None, None, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
