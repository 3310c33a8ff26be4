"""A reward is tried on a job's first labelled rows before the job is accepted.

What is tried are the labels, answers that the user calls good: a function that cannot judge one of
those will not judge a model's. Rows without a label prove nothing, so there is no trial of those.
"""

from burnish.datasets import Dataset
from burnish.errors import RetryableError, UserError
from burnish.logs import get_logger
from svc_gateway.rewards import Reward, Rewards, Verdict

log = get_logger(__name__)

ROWS = 3
FAULTS = frozenset({"error", "timeout", "memory_limit", "crash", "blocked", "invalid_score"})


async def run(rewards: Rewards, reward: Reward, dataset: Dataset, index: int) -> None:
    """Try one reward.

    Raises:
        UserError: it fails on every row that was tried; says how on the first.
    """
    rows = dataset.labelled[:ROWS]
    if not rows:
        return
    field = f"rewards[{index}]"
    try:
        verdicts = await rewards.test(reward.source, rows)
    except RetryableError as error:
        # A job may wait for its reward service; the reward is judged again then.
        log.warning("reward.not_tried", reward=reward.name, reason=str(error))
        return
    except UserError as error:
        raise UserError(f"reward {reward.name!r}: {error.message}", field=field) from None
    if all(verdict.status in FAULTS for verdict in verdicts):
        raise UserError(
            f"reward {reward.name!r} fails on row {rows[0].id}: {_words(verdicts[0])}",
            field=field,
            hint="try it on sample completions, and mend it",
        )


def _words(verdict: Verdict) -> str:
    return verdict.message.strip().splitlines()[-1] if verdict.message.strip() else verdict.status
