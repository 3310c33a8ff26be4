"""What an evaluation came to: pure figures over the groups of the held-out rows.

Every figure is a mean over rows of the mean over a row's completions (mean@n), so a row that lost
completions to the infrastructure counts as much as any other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.run_spec import Evaluation, Success
from burnish.tasks.metrics import pass_at
from svc_learner.algorithms.measures import passes, values_of
from svc_learner.algorithms.metrics import by_name, by_part, mean
from svc_learner.types import Completion


@dataclass(frozen=True, slots=True)
class Result:
    """Of one evaluation with at least one judged completion.

    Attributes:
        reward_mean: of the combined reward.
        score_means: by score, and by part as `<score>/<part>`.
        pass_at: by k; without a k for which no row has enough judged completions.
        measure: what makes a checkpoint the best; None where no completion has it.
    """

    reward_mean: float
    score_means: Mapping[str, float]
    pass_at: Mapping[int, float]
    measure: float | None


def result_of(
    rows: Sequence[Sequence[Completion]], config: Evaluation, success: Success
) -> Result | None:
    """The figures; None when no completion has a reward.

    Args:
        rows: each held-out row's completions.
        config: which k, and what is best.
        success: what is a pass.
    """
    judged = [[c for c in completions if c.reward is not None] for completions in rows]
    judged = [completions for completions in judged if completions]
    if not judged:
        return None
    names = dict.fromkeys(
        name
        for completions in judged
        for found in (by_name(completions), by_part(completions))
        for name in found
    )
    means = {name: _mean_over_rows([values_of(row, name) for row in judged]) for name in names}
    return Result(
        reward_mean=mean([mean(values_of(row, "")) for row in judged]),
        score_means={name: value for name, value in means.items() if value is not None},
        pass_at=_pass_at([passes(row, success) for row in judged], config.pass_at),
        measure=_mean_over_rows([values_of(row, config.best_by) for row in judged]),
    )


def _mean_over_rows(rows: Sequence[Sequence[float]]) -> float | None:
    means = [mean(values) for values in rows if values]
    return mean(means) if means else None


def _pass_at(rows: Sequence[Sequence[bool]], ks: Sequence[int]) -> dict[int, float]:
    """The unbiased estimator of each row, as a mean over the rows that allow it."""
    found = {}
    for k in sorted(ks):
        estimates = [pass_at(len(row), sum(row), k) for row in rows if len(row) >= k]
        if estimates:
            found[k] = mean(estimates)
    return found
