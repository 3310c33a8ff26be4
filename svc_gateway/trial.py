"""A reward is tried on a job's first rows before the job is accepted.

What is tried are the labels, answers that the user calls good: a reward that cannot judge one of
those will not judge a model's. Rows without a label prove only that the reward can be used here:
that its secrets, packages and limits are there.
"""

from collections.abc import Sequence

from burnish.datasets import Dataset, DatasetRow
from burnish.errors import RetryableError, UserError
from burnish.logs import get_logger
from burnish.reward_spec import RewardDefinition
from svc_gateway.rewards import Reward, Rewards, Verdict

log = get_logger(__name__)

ROWS = 3
FAULTS = frozenset({"error", "timeout", "memory_limit", "crash", "blocked", "invalid_score"})


async def run(rewards: Rewards, reward: Reward, dataset: Dataset, index: int) -> None:
    """Try one reward.

    Raises:
        UserError: it cannot be used here, or fails on every row that was tried; says how on the
            first.
    """
    definition = RewardDefinition.from_proto(reward.definition)
    labelled = dataset.labelled[:ROWS]
    rows, completions = _sample(definition, labelled or dataset.rows[:1])
    if not rows:
        return
    field = f"rewards[{index}]"
    try:
        verdicts = await rewards.test(definition, rows, completions)
    except RetryableError as error:
        # A job may wait for its reward service; the reward is judged again then.
        log.warning("reward.not_tried", reward=reward.name, reason=str(error))
        return
    except UserError as error:
        path = f"{field}.{error.field}" if error.field else field
        raise UserError(
            f"reward {reward.name!r}: {error.message}", field=path, hint=error.hint
        ) from None
    if labelled and all(verdict.status in FAULTS for verdict in verdicts):
        raise UserError(
            f"reward {reward.name!r} fails on row {rows[0].id}: {_words(verdicts[0])}",
            field=field,
            hint="try it on sample completions, and mend it",
        )


def _sample(
    definition: RewardDefinition, rows: Sequence[DatasetRow]
) -> tuple[Sequence[DatasetRow], Sequence[str]]:
    """Rows and completions; a reward that compares gets all completions for the first row."""
    completions = [row.completion or "" for row in rows]
    if definition.group:
        return rows[:1], completions if len(completions) > 1 else completions * 2
    return rows, completions


def _words(verdict: Verdict) -> str:
    return verdict.message.strip().splitlines()[-1] if verdict.message.strip() else verdict.status
