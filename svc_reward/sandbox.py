"""Which sandbox this service has, and whether it may be used."""

import asyncio
import secrets
import time
from collections.abc import Mapping

from burnish.logs import get_logger
from burnish.reward_spec import RewardLimits
from svc_reward import outcome, self_check
from svc_reward.backend import Backend, SandboxError
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane_pool import LanePool
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessBackend
from svc_reward.warm_lane import WarmLane

log = get_logger(__name__)

RETRY_SECONDS = 5.0


def open_backend(settings: RewardSettings) -> Backend:
    """The backend that the settings ask for, checked by attacking it.

    Raises:
        SandboxError: there is none, or an attack succeeded.
    """
    backend: Backend = (
        ProcessBackend(settings) if settings.sandbox == "process" else DockerBackend(settings)
    )
    try:
        lane = WarmLane.start(backend, LaneClass())
        try:
            self_check.check(lane.evaluate, backend.isolation)
        finally:
            lane.close()
    except BaseException:
        backend.close()
        raise
    return backend


class Sandbox:
    """The service's sandbox: opened at start, and again later if that failed."""

    def __init__(self, settings: RewardSettings) -> None:
        self._settings = settings
        self._backend: Backend | None = None
        self._pool: LanePool | None = None
        self._problem = "the sandbox is not open yet"
        self._next_try = 0.0
        self._opening = asyncio.Lock()

    @property
    def problem(self) -> str:
        """Why nothing can be scored; empty if it can."""
        return "" if self._pool is not None else self._problem

    @property
    def lanes(self) -> int:
        return self._pool.lanes if self._pool else 0

    def describe(self) -> Mapping[str, str]:
        if self._backend is None:
            return {"sandbox": "none", "problem": self._problem}
        return self._backend.describe()

    async def open(self) -> None:
        """Open the sandbox unless it is; a failure is kept in `problem`."""
        async with self._opening:
            if self._pool is not None or time.monotonic() < self._next_try:
                return
            try:
                backend = await asyncio.to_thread(open_backend, self._settings)
                pool = await self._warm(backend)
            except SandboxError as error:
                self._problem = str(error)
                self._next_try = time.monotonic() + RETRY_SECONDS
                log.error("sandbox.refused", reason=self._problem)  # noqa: TRY400 - one sentence says it
                return
            self._backend, self._pool = backend, pool
            log.info("sandbox.open", **backend.describe())
            if backend.isolation != "docker":
                log.warning("sandbox.development_only", isolation=backend.isolation)

    async def _warm(self, backend: Backend) -> LanePool:
        pool = LanePool(backend, self._settings)
        try:
            await pool.warm(LaneClass(), self._settings.reward_lanes)
        except BaseException:
            await pool.close()
            await asyncio.to_thread(backend.close)
            raise
        return pool

    async def evaluate(
        self,
        program: Program,
        case: Case,
        *,
        seed: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Score one case with one program.

        Args:
            program: what judges.
            case: what is judged.
            seed: of all randomness in it; fresh by default, and then known to nobody before.
            environment: the program's secrets, by name.

        Raises:
            UserError: the program asks for more than the operator allows.
        """
        if program.kind == "triton" and self._settings.lane_gpus:
            program = program.on_gpu()
        lane_class = program.lane_class
        limits = self._settings.limits(
            program.limits,
            packages=lane_class.packages,
            kernels=lane_class.kernels,
            workers=program.workers,
        )
        if self._pool is None:
            await self.open()
        if self._pool is None or self._backend is None:
            return outcome.unavailable(self._problem)
        seed = secrets.randbits(63) if seed is None else seed
        isolation, image = self._backend.isolation, self._backend.image
        job = program.payload(case, seed, environment)
        found = await self._pool.evaluate(lane_class, job, limits)
        return found.with_provenance(isolation=isolation, image=image, seed=seed)

    def check_limits(self, limits: RewardLimits) -> None:
        """Raises UserError if they are more than the operator allows."""
        self._settings.limits(limits, packages=False)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
        if self._backend is not None:
            await asyncio.to_thread(self._backend.close)
        self._pool = self._backend = None
        self._problem = "the reward service is shutting down"
        self._next_try = float("inf")
