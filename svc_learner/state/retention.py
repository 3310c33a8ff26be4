"""Which checkpoints stay: a pure decision at each commit.

The newest always stays: a job that ended well, was stopped or failed can be forked from it. So do
the best, those at the end of a stage, and some of every so many steps. One whose evaluation is
still under way may turn out to be the best, and stays until that is known.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from burnish.run_spec import Checkpoints

NEWEST, BEST, STAGE, PERIODIC, EVALUATION = "newest", "best", "stage", "periodic", "evaluation"


@dataclass(frozen=True, slots=True)
class Marks:
    """What a commit knows about its checkpoint and about others."""

    stage: str = ""
    """The stage that the checkpoint belongs to."""
    stage_index: int = 0
    ends_stage: bool = False
    best: int | None = None
    """The step of the best evaluation so far."""
    evaluated: Collection[int] = ()
    """Steps whose evaluation is under way."""
    measured: Mapping[int, float] = field(default_factory=dict)
    """Step → result of its evaluation, for those that have ended since the last commit."""


def reasons(
    steps: Sequence[int], ends: Collection[int], marks: Marks, config: Checkpoints
) -> dict[int, tuple[str, ...]]:
    """Step → why its checkpoint stays, newest first; one that is not a key goes.

    Args:
        steps: of all checkpoints.
        ends: those that ended a stage before.
        marks: the newest one's own.
        config: what the job asks for.
    """
    newest = max(steps, default=0)
    periodic = [step for step in steps if config.every_steps and step % config.every_steps == 0]
    kept = set(sorted(periodic, reverse=True)[: config.keep])
    found = {}
    for step in sorted(steps, reverse=True):
        given = {
            NEWEST: step == newest,
            BEST: step == marks.best,
            STAGE: step in ends or (step == newest and marks.ends_stage),
            PERIODIC: step in kept,
            EVALUATION: step in marks.evaluated,
        }
        if any(given.values()):
            found[step] = tuple(reason for reason, holds in given.items() if holds)
    return found
