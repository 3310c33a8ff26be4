"""The reinforcement stage: a group is learned from as soon as its last score lands.

Dispatch, sampling, scoring and training overlap. Gradients add up over groups while others are
still being sampled; a step is taken when enough groups were used, and everything that it consumed
is closed with it, so a crash repeats exactly the groups of the unfinished step.

Four seams: what is in flight (`refill`), whose turn it is to be judged (`order`), what the step has
so far (`draft`), and what it means when nothing is left to learn (`barren`).
"""

from collections.abc import Sequence

from burnish.errors import UserError
from svc_learner.algorithms.advantages import Verdict, judge
from svc_learner.algorithms.contribution import contribution
from svc_learner.algorithms.losses import LossConfig
from svc_learner.curriculum.epochs import EpochSampler
from svc_learner.engine.objective import Objective
from svc_learner.evaluation.evaluations import IN_TRAINING
from svc_learner.oversight import Oversight
from svc_learner.pipeline import barren, bottleneck, telemetry
from svc_learner.pipeline.barren import Barren
from svc_learner.pipeline.draft import Draft
from svc_learner.pipeline.order import InTurn, OnArrival, Order
from svc_learner.pipeline.pacing import Pacing, is_stale, staleness
from svc_learner.pipeline.refill import Refill
from svc_learner.plan import Rl
from svc_learner.session import Session
from svc_learner.types import Group, Sample

REPLAY_ROWS = 4
"""Demonstrations that one step replays; their order makes each come again soon."""

REPLAY = Objective("sft")


class RlRun:
    """One stage of one job. `demonstrations` are what replay draws from."""

    def __init__(self, session: Session, phase: Rl, demonstrations: Sequence[Sample]) -> None:
        config = phase.config
        self._session = session
        self._config = config
        self._field = f"stages[{phase.index}].rl"
        self._pacing = Pacing(
            batch=config.prompts_per_step,
            steps=config.steps,
            max_staleness=config.max_staleness,
            max_concurrent=session.settings.learner_groups,
            max_resample=config.max_resample,
        )
        self._oversight = Oversight(session, phase)
        self._refill = Refill(
            session,
            config,
            series=f"{session.job_id}.rl{phase.index or ''}",
            pacing=self._pacing,
            rows=self._oversight.rows,
        )
        self._objective = Objective(
            "rl",
            LossConfig.of(config),
            config.sampling.temperature,
        )
        self._demonstrations = demonstrations if config.sft_replay else ()
        self._replays = EpochSampler(
            seed=session.spec.seed + 1, rows=max(len(self._demonstrations), 1)
        )
        self._order: Order = (
            InTurn(self._refill.oldest) if session.spec.deterministic else OnArrival()
        )
        self._ready: list[tuple[Group, Verdict]] = []
        self._draft = Draft()
        self._barren = Barren()

    async def run(self) -> None:
        """Take all steps of the stage, or fewer: when every row is solved, or by early stopping.

        Raises:
            UserError: no group teaches anything any more, or there is nothing to replay.
        """
        session = self._session
        if self._config.sft_replay and not self._demonstrations:
            raise UserError(
                "No training row has a completion to replay.",
                field=f"{self._field}.sft_replay",
                hint="add a `completion` column to some rows, or set it to 0",
            )
        await session.say(f"learning from rewards, {self._config.steps} steps")
        await session.start_stage(self._config, self._config.steps)
        while session.progress.step < self._config.steps:
            await session.boundary(stepping=True)
            await self._evaluate_if_due()
            if session.progress.patience.over:
                await session.say(f"stopped early: {session.progress.patience.over}")
                break
            if not await self._take_step():
                break
        await self._clear()

    async def _take_step(self) -> bool:
        """Collect until the step can be taken; False when nothing is left to learn."""
        while not self._is_full:
            saved = await self._session.saved()
            if saved:
                await self._refill.fill(
                    used=len(self._draft.used), ready=len(self._ready), waiting=len(self._order)
                )
            await self._collect(block=False)
            went_on = await self._go_on()
            if not (self._ready or self._draft.used or await self._can_learn()):
                return False
            if went_on:
                continue
            if self._replay_due:
                await self._replay()
            elif saved or not await self._session.saved():  # else there may be room to dispatch
                await self._collect(block=True)
        await self._cut()
        return True

    @property
    def _is_full(self) -> bool:
        """Whether the step is taken with what it has."""
        used, unusable = len(self._draft.used), self._draft.unusable
        barren_run = self._pacing.barren(self._session.progress.barren)
        return self._pacing.cut(used=used, unusable=unusable) or (used > 0 and barren_run)

    async def _collect(self, *, block: bool) -> None:
        """Take what has ended, and end what has become too old to be waited for."""
        for group in await self._session.wait(block=block):
            self._order.add(group)
        for ticket in self._refill.running:
            if self._is_stale(ticket.policy_version):
                late = await self._session.desk.cancel(ticket.group_id, "older than max_staleness")
                if late is not None:
                    self._order.add(late)

    async def _go_on(self) -> bool:
        """Judge the groups whose turn has come, then learn from the oldest useful one.

        Returns:
            False when there was nothing to do.
        """
        judged = 0
        while group := self._order.next():
            self._judge(group)
            judged += 1
            if self._session.spec.deterministic:
                break  # what this group leads to comes before the next one
        self._drop_stale()
        if not self._ready:
            return judged > 0
        oldest = min(self._ready, key=lambda item: item[0].policy_version)  # stable: dispatch order
        self._ready.remove(oldest)
        await self._use(*oldest)
        return True

    def _judge(self, group: Group) -> None:
        """At a group's end: only a usable one waits to be used."""
        self._session.explain_waiting(group)
        if self._is_stale(group.policy_version):
            self._drop(group, "stale")
            return
        for completion in group.completions:
            if completion.reward is not None:
                self._session.progress.observe(completion.reward)
        verdict = judge(group.completions, self._config, self._session.progress.seen)
        if verdict.refusal is None:
            self._ready.append((group, verdict))
            self._session.progress.barren = 0
            self._barren.clear()
            return
        self._oversight.rows.observe(group)
        self._session.progress.barren += 1
        self._barren.count(group.cancelled or verdict.refusal)
        self._drop(group, verdict.refusal)

    def _is_stale(self, policy_version: int) -> bool:
        version = self._session.progress.version
        return is_stale(version, policy_version, self._config.max_staleness)

    def _drop_stale(self) -> None:
        """The guarantee: nothing older than the bound is left to be used."""
        stale = [item for item in self._ready if self._is_stale(item[0].policy_version)]
        for group, _ in stale:
            self._drop(group, "stale")
        self._ready = [item for item in self._ready if item not in stale]

    def _drop(self, group: Group, reason: str) -> None:
        self._draft.refuse(group, reason)
        self._session.desk.close(group)

    async def _use(self, group: Group, verdict: Verdict) -> None:
        """Add one group's gradients to the step."""
        draft, version = self._draft, self._session.progress.version
        share = contribution(verdict, self._config, version)
        draft.tally.add(await self._session.learn(share.samples, self._objective))
        draft.divisor += share.divisor
        draft.use(group, staleness=staleness(version, group.policy_version))
        self._oversight.rows.observe(group)

    @property
    def _replay_due(self) -> bool:
        return bool(self._demonstrations) and self._draft.replay is None

    async def _replay(self) -> None:
        """Demonstrations of this step: the choice follows from the step's number."""
        first = self._session.progress.step * REPLAY_ROWS
        count = min(REPLAY_ROWS, len(self._demonstrations))
        rows = [self._replays.row(first + offset) for offset in range(count)]
        samples = [self._demonstrations[row] for row in rows]
        self._draft.replay = await self._session.learn(samples, REPLAY)

    async def _cut(self) -> None:
        """One optimizer step, made durable and published."""
        session, draft = self._session, self._draft
        if self._replay_due:
            await self._replay()
        shares = {self._objective.sum_name: 1 / max(draft.divisor, 1.0)}
        metrics = draft.metrics()
        if draft.replay is not None:
            shares[REPLAY.sum_name] = self._config.sft_replay / draft.replay.tokens
            metrics["loss/replay"] = draft.replay.loss / draft.replay.tokens
        metrics |= await session.take_step(shares)
        metrics |= self._oversight.finish_step(draft.completions)
        if remark := self._oversight.remark(draft.completions):
            await session.say(remark)
        tokens = sum(len(c.tokens) for c in draft.completions)
        for group in draft.used:
            session.desk.close(group)
        session.message = f"reward {metrics.get('reward/mean', 0):.3f}"
        metrics["reward_set"] = float(session.progress.reward_set)
        timing = session.clock.metrics(tokens)
        hint = bottleneck.explain(timing, by_staleness=self._pacing.bound_by_staleness)
        telemetry.count_shares(session.clock.shares(), session.clock.total)
        session.record(metrics | timing, [g.id for g in draft.used], hint)
        self._draft = Draft()
        await session.save_meanwhile(publish=True)
        if session.spec.deterministic:  # whether it is over yet must not decide what comes next
            await session.settle()

    async def _evaluate_if_due(self) -> None:
        """Also right after a restart: an evaluation begins behind the checkpoint of its step."""
        every = self._session.spec.evaluation.every_steps
        step = self._session.progress.step
        if every and step and step % every == 0:
            await self._session.settle()
            await self._session.evaluations.start(f"{IN_TRAINING}{self._session.progress.version}")
        while self._session.waits_for_evaluations and self._session.evaluations.open:
            await self._session.boundary(stepping=False)
            await self._collect(block=True)

    async def _can_learn(self) -> bool:
        """Without a useful group: open a level that is due, or find that all is solved.

        Raises:
            UserError: no group teaches anything any more, and they are not solved.
        """
        progress = self._session.progress
        if self._oversight.open_level(solved=False):
            await self._begin_level()
            return True
        if not self._pacing.barren(progress.barren):
            return True
        if not barren.solved(progress, self._draft.completions):
            raise self._barren.error(progress, self._field)
        if self._oversight.open_level(solved=True):
            await self._begin_level()
            return True
        await self._session.say(barren.SOLVED)
        return False

    async def _begin_level(self) -> None:
        """A boundary without a step: what the step left out so far belongs to the level before."""
        self._session.progress.barren = 0
        self._barren.clear()
        self._draft = Draft(replay=self._draft.replay)
        await self._session.save(publish=False)

    async def _clear(self) -> None:
        """Let go of groups that the stage no longer needs."""
        desk = self._session.desk
        for ticket in self._refill.running:
            await desk.cancel(ticket.group_id, "the stage is complete")
        for ticket in desk.assembler.open:
            if not ticket.label:
                desk.assembler.close(ticket.group_id)
        self._ready.clear()
        self._session.policy.drop_gradients()
