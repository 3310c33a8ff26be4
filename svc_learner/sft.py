"""The supervised stage: cross-entropy on the labelled rows, token mean per step."""

import math
import time

from burnish.errors import UserError
from svc_learner.curriculum.epochs import EpochSampler
from svc_learner.engine.objective import Objective
from svc_learner.plan import Sft, sft_steps
from svc_learner.session import Session
from svc_learner.types import Sample

OBJECTIVE = Objective("sft")


async def run_sft(session: Session, phase: Sft) -> None:
    """Take all steps of the stage; the last one is published.

    Raises:
        UserError: there is nothing to learn from, or a row that cannot be learned.
    """
    samples = await session.demonstrations()
    field = f"stages[{phase.index}].sft"
    if not samples:
        raise UserError(
            "No training row has a completion to learn from.",
            field=field,
            hint="add a `completion` column to some rows, or leave the stage out",
        )
    config = phase.config
    batches = Batches(samples, config.batch_size, seed=session.spec.seed)
    total = sft_steps(config, len(samples))
    await session.say(f"supervised warm-up on {len(samples)} labelled rows, {config.epochs} epochs")
    await session.start_stage(config, total)
    saved = time.monotonic()
    while session.progress.step < total:
        await session.boundary(stepping=True)
        batch = batches.at(session.progress.step)
        tally = await session.learn(batch, OBJECTIVE)
        taken = await session.take_step({OBJECTIVE.sum_name: 1 / tally.tokens})
        session.record(
            {
                "loss": tally.loss / tally.tokens,
                "entropy": tally.entropy / tally.tokens,
                **taken,
                "epoch": session.progress.step / batches.per_epoch,
                **session.clock.metrics(tally.tokens),
            }
        )
        last = session.progress.step == total
        overdue = time.monotonic() - saved >= session.settings.learner_checkpoint_seconds
        if last or overdue or session.kept:
            await session.save(publish=last)
            saved = time.monotonic()


class Batches:
    """Step → rows: every row once in an epoch, in a seeded order; the last batch may be short."""

    def __init__(self, samples: list[Sample], size: int, *, seed: int) -> None:
        self._samples = samples
        self._size = size
        self._sampler = EpochSampler(seed=seed, rows=len(samples))
        self.per_epoch = math.ceil(len(samples) / size)

    def at(self, step: int) -> list[Sample]:
        epoch, batch = divmod(step, self.per_epoch)
        first = epoch * len(self._samples) + batch * self._size
        last = min(first + self._size, (epoch + 1) * len(self._samples))
        return [self._samples[self._sampler.row(number)] for number in range(first, last)]
