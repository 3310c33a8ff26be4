"""The reinforcement stage: a group is learned from as soon as its last score lands.

Dispatch, sampling, scoring and training overlap. Gradients add up over groups while others are
still being sampled; a step is taken when enough groups were used, and everything that it consumed
is closed with it, so a crash repeats exactly the groups of the unfinished step.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.errors import UserError
from svc_learner import losses
from svc_learner.advantages import SPREAD, Verdict, judge
from svc_learner.losses import LossConfig
from svc_learner.metrics import RewardWindow, Tally, mean
from svc_learner.pacing import Pacing, is_stale, staleness
from svc_learner.plan import Rl
from svc_learner.policy import Objective
from svc_learner.sampler import EpochSampler
from svc_learner.session import Session
from svc_learner.types import Group, Sample, Ticket

REPLAY_ROWS = 4
"""Demonstrations that one step replays; their order makes each come again soon."""

REPLAY = Objective("sft")


@dataclass(slots=True)
class Draft:
    """The step that is being put together."""

    used: list[Group] = field(default_factory=list)
    window: RewardWindow = field(default_factory=RewardWindow)
    tally: Tally = field(default_factory=Tally)
    divisor: float = 0.0
    staleness: list[int] = field(default_factory=list)
    refusals: Counter[str] = field(default_factory=Counter)
    replay: Tally | None = None

    @property
    def unusable(self) -> int:
        return sum(self.refusals.values()) - self.refusals["stale"]

    def metrics(self) -> dict[str, float]:
        judged = len(self.used) + self.unusable
        return {
            **self.tally.metrics(max(self.divisor, 1.0)),
            **self.window.metrics(),
            "frac_zero_variance": self.refusals["zero_variance"] / judged,
            "groups/used": float(len(self.used)),
            "groups/filtered": float(self.unusable),
            "groups/stale": float(self.refusals["stale"]),
            "staleness/mean": mean(self.staleness),
            "staleness/max": float(max(self.staleness)),
        }


class RlRun:
    """One stage of one job. `demonstrations` are what replay draws from."""

    def __init__(self, session: Session, phase: Rl, demonstrations: Sequence[Sample]) -> None:
        config = phase.config
        self._session = session
        self._config = config
        self._field = f"stages[{phase.index}].rl"
        self._series = f"{session.job_id}.rl{phase.index or ''}"
        self._pacing = Pacing(
            batch=config.prompts_per_step,
            steps=config.steps,
            max_staleness=config.max_staleness,
            max_concurrent=session.settings.learner_groups,
        )
        self._sampler = EpochSampler(
            seed=session.spec.seed, rows=len(session.rows.rows), drawn=session.progress.drawn
        )
        self._objective = Objective(
            "rl",
            LossConfig(config.loss, config.clip_low, config.clip_high, config.kl_weight),
            config.sampling.temperature,
        )
        self._demonstrations = demonstrations if config.sft_replay else ()
        self._replays = EpochSampler(
            seed=session.spec.seed + 1, rows=max(len(self._demonstrations), 1)
        )
        self._ready: list[tuple[Group, Verdict]] = []
        self._draft = Draft()
        self._barren: Counter[str] = Counter()

    async def run(self) -> None:
        """Take all steps of the stage, or fewer when every row is solved.

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
        await session.start_stage(self._config.learning_rate)
        while session.progress.step < self._config.steps:
            await self._evaluate_if_due()
            if not await self._take_step():
                break
        await self._clear()

    async def _take_step(self) -> bool:
        """Collect until the step can be taken; False when nothing is left to learn."""
        progress = self._session.progress
        while not self._pacing.cut(used=len(self._draft.used), unusable=self._draft.unusable):
            await self._dispatch()
            if not self._ready and self._replay_due:
                await self._replay()
            for group in await self._session.wait(block=not self._ready):
                self._sort_in(group)
            await self._sweep()
            if self._ready:
                await self._use(*self._oldest())
            elif self._pacing.barren(progress.barren):
                await self._stop_or_fail()
                return False
        await self._cut()
        return True

    async def _dispatch(self) -> None:
        session, progress = self._session, self._session.progress
        running = [t for t in session.desk.assembler.running if not t.label]
        free = self._pacing.capacity(
            step=progress.step,
            used=len(self._draft.used),
            ready=len(self._ready),
            running=len(running),
        )
        for _ in range(free):
            number, row = self._sampler.draw()
            progress.drawn = self._sampler.drawn
            size, version = self._config.group_size, progress.version
            ticket = Ticket(f"{self._series}.{number}", row, size, version)
            await session.desk.dispatch(ticket, session.rows.rows[row], self._config.sampling)

    def _sort_in(self, group: Group) -> None:
        """Judge a group at its end: only usable ones wait to be used."""
        verdict = judge(group.completions, self._config.advantage, self._config.require_success)
        for completion in group.completions:
            if completion.reward is not None:
                self._session.progress.observe(completion.reward)
        if verdict.refusal is None:
            self._ready.append((group, verdict))
            self._session.progress.barren = 0
            self._barren.clear()
            return
        self._draft.window.completions.extend(group.completions)
        self._session.progress.barren += 1
        self._barren[group.cancelled or verdict.refusal] += 1
        self._drop(group, verdict.refusal)

    def _drop(self, group: Group, reason: str) -> None:
        self._draft.refusals[reason] += 1
        self._session.desk.close(group)

    async def _sweep(self) -> None:
        """The guarantee: nothing older than the bound is left to be used or waited for."""
        version, bound = self._session.progress.version, self._config.max_staleness
        fresh = []
        for group, verdict in self._ready:
            if is_stale(version, group.policy_version, bound):
                self._drop(group, "stale")
            else:
                fresh.append((group, verdict))
        self._ready = fresh
        for ticket in self._session.desk.assembler.running:
            if not ticket.label and is_stale(version, ticket.policy_version, bound):
                late = await self._session.desk.cancel(ticket.group_id, "older than max_staleness")
                if late is not None:
                    self._drop(late, "stale")

    def _oldest(self) -> tuple[Group, Verdict]:
        oldest = min(self._ready, key=lambda item: item[0].policy_version)  # stable: dispatch order
        self._ready.remove(oldest)
        return oldest

    async def _use(self, group: Group, verdict: Verdict) -> None:
        """Add one group's gradients to the step."""
        draft, config = self._draft, self._config
        version = self._session.progress.version
        samples = [
            Sample(
                prompt=member.prompt,
                tokens=member.tokens,
                weight=losses.token_weight(config.loss, len(member.tokens)),
                advantage=advantage,
                logprobs=member.logprobs,
                staleness=staleness(version, member.policy_version),
            )
            for member, advantage in zip(verdict.members, verdict.advantages, strict=True)
        ]
        # Without a leash to the base, a completion of average reward has no gradient at all.
        telling = [s for s in samples if s.advantage or config.kl_weight]
        draft.tally.add(await self._session.learn(telling, self._objective))
        draft.divisor += sum(
            losses.denominator(config.loss, len(s.tokens), config.sampling.max_tokens)
            for s in samples
        )
        draft.used.append(group)
        draft.staleness.append(staleness(version, group.policy_version))
        draft.window.completions.extend(group.completions)

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
        metrics["grad_norm"] = await session.take_step(shares)
        tokens = sum(len(c.tokens) for c in draft.window.completions)
        for group in draft.used:
            session.desk.close(group)
        session.message = f"reward {metrics.get('reward/mean', 0):.3f}"
        metrics["reward_set"] = float(session.progress.reward_set)
        session.record(metrics | session.clock.metrics(tokens), [g.id for g in draft.used])
        self._draft = Draft()
        await session.save(publish=True)

    async def _evaluate_if_due(self) -> None:
        """Also right after a restart: an evaluation begins behind the checkpoint of its step."""
        every = self._session.spec.evaluation.every_steps
        step = self._session.progress.step
        if every and step and step % every == 0:
            await self._session.evaluations.start(f"step-{self._session.progress.version}")

    async def _stop_or_fail(self) -> None:
        """Many groups in a row had nothing to teach: is it that they are all solved?"""
        progress = self._session.progress
        low, high = progress.reward_low, progress.reward_high
        rewards = [c.reward for c in self._draft.window.completions if c.reward is not None]
        varied = low is not None and high is not None and high - low > SPREAD
        if varied and rewards and high is not None and min(rewards) >= high - SPREAD:
            await self._session.say("every row reaches the best reward: nothing is left to learn")
            return
        reasons = ", ".join(
            f"{count} times {_words(why)}" for why, count in self._barren.most_common(3)
        )
        raise UserError(
            f"The last {progress.barren} groups taught nothing ({reasons}).",
            field=self._field,
            hint="try easier prompts, a longer supervised warm-up, a reward with partial credit, "
            "or a higher temperature",
        )

    async def _clear(self) -> None:
        """Let go of groups that the stage no longer needs."""
        desk = self._session.desk
        for ticket in [t for t in desk.assembler.running if not t.label]:
            await desk.cancel(ticket.group_id, "the stage is complete")
            desk.assembler.close(ticket.group_id)
        for group, _ in self._ready:
            desk.close(group)
        self._ready.clear()
        self._session.policy.drop_gradients()


def _words(refusal: str) -> str:
    return {
        "zero_variance": "all completions had the same reward",
        "no_success": "no completion had the required success",
        "too_few": "fewer than two completions had a reward",
    }.get(refusal, refusal)
