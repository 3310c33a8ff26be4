"""Learning from micro-batches such that one that fails harms nobody else's.

All functions block, and belong on the base model's thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.errors import UserError
from burnish.logs import get_logger
from svc_learner.algorithms.metrics import Tally
from svc_learner.engine import memory
from svc_learner.engine.batching import MicroBatch, pack
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy, gradients

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """One micro-batch of one job.

    Attributes:
        solo: it goes through the layers as it is: neither with others nor in parts.
    """

    policy: Policy
    batch: MicroBatch
    objective: Objective
    solo: bool = False


def outcomes(lessons: Sequence[Lesson], budget: int) -> list[Tally | Exception]:
    """Learn from all in one pass, or else from each; failures stand in the place of results."""
    together = _together(lessons) if len(lessons) > 1 else None
    return [*together] if together else [_outcome(lesson, budget) for lesson in lessons]


def _together(lessons: Sequence[Lesson]) -> list[Tally] | None:
    """None when it failed; then nobody's sums have changed.

    Numbers that are not finite count as a failure too: within one pass nobody can tell whose they
    are, and alone they harm only the job that makes them.
    """
    try:
        found = gradients([(each.policy, each.batch, each.objective) for each in lessons])
    except Exception as error:  # noqa: BLE001  whose it is shows when each goes alone
        log.warning("lessons.apart", jobs=len(lessons), reason=repr(error)[:200])
        return None
    if not all(bool(gradient.isfinite().all()) for _, gradient in found):
        return None
    for lesson, (_, gradient) in zip(lessons, found, strict=True):
        lesson.policy.add(lesson.objective.sum_name, gradient)
    return [tally for tally, _ in found]


def _outcome(lesson: Lesson, budget: int) -> Tally | Exception:
    try:
        return learn(lesson, budget)
    except Exception as error:  # noqa: BLE001  it belongs to the job alone
        return error


def learn(lesson: Lesson, budget: int) -> Tally:
    """Learn from one micro-batch; when memory runs out, once more with half of it at a time.

    A solo one is tried again as it is: its sums must not depend on how much memory others use.

    Raises:
        UserError: there is too little memory.
    """
    try:
        return lesson.policy.accumulate(lesson.batch, lesson.objective)
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        log.warning("memory.short", tokens=len(lesson.batch.tokens), reason=str(error)[:200])
    # Here the failed attempt's tensors are free: its traceback is gone.
    memory.release()
    parts = [lesson.batch] if lesson.solo else pack(lesson.batch.samples, budget // 2)
    tally = Tally()
    try:
        for part in parts:
            tally.add(lesson.policy.accumulate(part, lesson.objective))
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        largest = max(len(part.tokens) for part in parts)
        raise UserError(
            f"The learner has too little memory for {largest} tokens in one pass.",
            field="BURNISH_LEARNER_BATCH_TOKENS",
            hint=f"lower it (now {budget}), run fewer jobs at once (BURNISH_LEARNER_JOBS), "
            "or ask for shorter completions",
        ) from error
    return tally
