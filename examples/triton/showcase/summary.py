"""From runs to the figures of the page and the plots. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeAlias

from examples.triton.showcase.intervals import Estimate, estimate
from examples.triton.showcase.ledger import Answers, Run
from examples.triton.showcase.study import Arm, Study

Rate: TypeAlias = Callable[[Answers], float]

GREEDY: Rate = attrgetter("greedy_rate")
SAMPLED: Rate = attrgetter("sampled_rate")
ANY: Rate = attrgetter("any_rate")


@dataclass(frozen=True, slots=True)
class Line:
    """What an arm came to on the test rows.

    The gains are differences to the best SFT-only arm, seed by seed; None for SFT-only arms, for
    the base model, and where no seed has both.
    """

    arm: Arm
    runs: Sequence[Run]
    greedy: Estimate
    sampled: Estimate
    any_of: Estimate
    greedy_gain: Estimate | None
    sampled_gain: Estimate | None
    minutes: float
    failed: int


def summarize(study: Study, runs: Sequence[Run]) -> tuple[Line, ...]:
    """One line for each arm that ran, in the study's order."""
    by_arm = {arm.name: [run for run in runs if run.arm == arm.name] for arm in study.arms}
    rivals = [by_arm[arm.name] for arm in study.arms if arm.role == "sft" and by_arm[arm.name]]
    return tuple(_line(arm, by_arm[arm.name], rivals) for arm in study.arms if by_arm[arm.name])


def best(rivals: Sequence[Sequence[Run]], rate: Rate) -> Sequence[Run]:
    """The runs of the rival that does best on the test rows by this very figure.

    It is chosen on the test, which favours the rivals.
    """
    return max(rivals, key=lambda runs: estimate([rate(run.answers) for run in runs]).mean)


def _line(arm: Arm, runs: Sequence[Run], rivals: Sequence[Sequence[Run]]) -> Line:
    compared = rivals if arm.role in {"main", "ablation"} else ()
    return Line(
        arm=arm,
        runs=runs,
        greedy=_over_seeds(runs, GREEDY),
        sampled=_over_seeds(runs, SAMPLED),
        any_of=_over_seeds(runs, ANY),
        greedy_gain=_gain(runs, compared, GREEDY),
        sampled_gain=_gain(runs, compared, SAMPLED),
        minutes=sum(run.minutes for run in runs) / len(runs),
        failed=sum(run.state == "failed" for run in runs),
    )


def _over_seeds(runs: Sequence[Run], rate: Rate) -> Estimate:
    return estimate([rate(run.answers) for run in runs])


def _gain(runs: Sequence[Run], rivals: Sequence[Sequence[Run]], rate: Rate) -> Estimate | None:
    if not rivals:
        return None
    theirs: Mapping[int, Answers] = {run.seed: run.answers for run in best(rivals, rate)}
    gains = [rate(run.answers) - rate(theirs[run.seed]) for run in runs if run.seed in theirs]
    return estimate(gains) if gains else None
