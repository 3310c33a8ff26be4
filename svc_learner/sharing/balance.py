"""One learner among others: which jobs it takes, gives away, and hands over when it ends.

Jobs move at a step boundary, from checkpoint to checkpoint; the message of the job is handed back
to the queue, and whoever `placement` says should have it takes it. What a learner knows of the
others may be some seconds old: that costs a detour now and then, never a job.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence

from burnish.bus import Bus, HandBack, topology
from burnish.logs import get_logger
from svc_learner.config import LearnerSettings
from svc_learner.job import JobRunner
from svc_learner.sharing import placement
from svc_learner.sharing.models import BaseModels
from svc_learner.sharing.peers import Peers, names
from svc_learner.sharing.placement import Peer
from svc_learner.state.store import OUTAGE

log = get_logger(__name__)

TEND_SECONDS = 2.0
"""As often as services show a sign of life: looking more often shows nothing new."""

ASIDE_SECONDS = 1.5 * TEND_SECONDS
"""How long a loop that gave a job back takes nothing: the other learners' loops come first."""

FORGET_SECONDS = 60.0
"""After which an offer is a new one."""


class Balance:
    """Run `tend` and `let_go` for as long as the learner runs."""

    def __init__(
        self,
        bus: Bus,
        settings: LearnerSettings,
        models: BaseModels,
        running: Mapping[str, JobRunner],
    ) -> None:
        self._bus = bus
        self._settings = settings
        self._models = models
        self._running = running
        self._bound = names(settings.learner_base_models)
        self._offers: dict[str, float] = {}
        self._taken: dict[str, float] = {}
        self._moved = 0.0
        self.waiting = 0
        """Jobs in the queue that nobody has taken."""

    @property
    def me(self) -> Peer:
        return Peer(
            self._settings.instance,
            bound=self._bound,
            holds=frozenset(self._models.held),
            jobs=len(self._running),
            slots=self._settings.learner_jobs,
            draining=self._bus.draining.is_set(),
        )

    async def consider(self, job_id: str, runner: JobRunner) -> None:
        """Return when this learner should run a job that it is offered.

        Raises:
            HandBack: another one should.
        """
        try:
            others = await self._others()
        except OUTAGE as error:
            log.warning("peers.unknown", reason=repr(error))
            others = ()
        me = self.me
        if me.draining:
            raise HandBack
        now = time.monotonic()
        self._offers = {j: t for j, t in self._offers.items() if now - t < FORGET_SECONDS}
        offered = now - self._offers.setdefault(job_id, now)
        if placement.leave_it(runner.base_model, me, others, offered=offered):
            takers = [peer for peer in others if peer.accepts(runner.base_model)]
            if not me.accepts(runner.base_model) and not takers:
                await self._nobody(runner, first=offered == 0)
            raise HandBack(aside=ASIDE_SECONDS)
        del self._offers[job_id]
        self._taken[job_id] = now

    async def tend(self) -> None:
        """Free what is idle and keep the balance, for ever."""
        while True:
            try:
                self._models.free_idle()
                await self._give_one_away()
            except OUTAGE as error:
                log.warning("balance.skipped", reason=repr(error))
            except Exception:
                log.exception("balance.failed")
            await asyncio.sleep(TEND_SECONDS)

    async def let_go(self) -> None:
        """When the learner is to end, hand all its jobs over."""
        await self._bus.draining.wait()
        for runner in self._running.values():
            runner.hand_over()

    async def _give_one_away(self) -> None:
        info = await self._bus.js.consumer_info(
            topology.JOBS_STREAM.name, topology.JOB_REQUESTED.durable
        )
        self.waiting = info.num_pending or 0
        pause = self._settings.learner_move_seconds
        now = time.monotonic()
        if not pause or now - self._moved < pause or len(self._running) < 2:
            return
        rested = [
            (job_id, runner.base_model)
            for job_id, runner in list(self._running.items())[::-1]
            if runner.at_work and now - self._taken[job_id] >= pause
        ]
        others = await self._others()
        job_id = placement.give_away(rested, self.me, others, waiting=self.waiting)
        if job_id is not None:
            log.info("job.moves", job=job_id)
            self._moved = now
            self._running[job_id].hand_over()

    async def _others(self) -> Sequence[Peer]:
        return await (await Peers.open(self._bus)).others()

    async def _nobody(self, runner: JobRunner, *, first: bool) -> None:
        if first:
            reason = f"no learner that runs is for the base model {runner.base_model!r}"
            log.warning("job.unplaced", reason=reason)
            await runner.queued(f"{reason}: see BURNISH_LEARNER_BASE_MODELS")
        raise HandBack(delay=ASIDE_SECONDS, aside=TEND_SECONDS)
