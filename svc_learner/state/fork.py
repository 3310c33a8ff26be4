"""Where a fork begins: another job's progress as this job's own. Pure.

Position, draws and curriculum go on; what the other job said, used and judged is its own. Of groups
that were in flight there, the same are asked for here: equal rows, seeds and policies, so a fork
with nothing changed goes on as the other job did.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from burnish.budgets import Usage
from burnish.errors import UserError
from burnish.spec import JobSpec
from svc_learner.alarms import AlarmState
from svc_learner.evaluation.standing import Patience
from svc_learner.plan import Phase, Rl, Sft, phases
from svc_learner.state.progress import Progress
from svc_learner.types import Ticket


@dataclass(frozen=True, slots=True)
class Branch:
    """A job, as far as a fork can tell it from another. `rewards` are those in force."""

    job_id: str
    spec: JobSpec
    rewards: Sequence[tuple[str, str, float]]


def forked(progress: Progress, source: Branch, new: Branch, fresh: Progress) -> Progress:
    """The progress that `new` begins with, of a checkpoint of `source`.

    Args:
        progress: of the checkpoint.
        source: its job.
        new: the job that begins.
        fresh: what the new job would begin with, if it began at its first step.

    Raises:
        UserError: the new job has no such stage.
    """
    phase = phases(source.spec)[progress.phase]
    plan = phases(new.spec)
    position = _position(plan, phase)
    same_rewards = source.rewards == new.rewards
    same_exam = same_rewards and _exam(source.spec) == _exam(new.spec)
    begun = plan[position]
    return replace(
        progress,
        phase=position,
        usage=Usage(),
        cursor=0,
        frontier={
            _renamed(series, source, new): number
            for series, number in progress.frontier.items()
            if ".eval-" not in series
        },
        open=[
            replace(
                ticket,
                group_id=_renamed(ticket.group_id, source, new),
                size=_size(begun),
                reward_set=fresh.reward_set,
            )
            for ticket in _in_flight(progress, source.spec, new.spec)
        ],
        barren=progress.barren if same_rewards else 0,
        reward_low=progress.reward_low if same_rewards else None,
        reward_high=progress.reward_high if same_rewards else None,
        reward_set=fresh.reward_set,
        best=None,
        patience=progress.patience if same_exam else Patience(),
        alarm_state=progress.alarm_state if same_rewards else AlarmState(),
        evaluations=[],
        evaluated="",
        steps_to_announce=[],
        reward_changes=fresh.reward_changes,
        advances=[],
        alarms=[],
    )


def _position(plan: Sequence[Phase], phase: Phase) -> int:
    for position, candidate in enumerate(plan):
        if (
            isinstance(candidate, Sft | Rl)
            and isinstance(phase, Sft | Rl)
            and (candidate.index, candidate.stage) == (phase.index, phase.stage)
        ):
            return position
    raise UserError(
        "The job has no stage like the one that its checkpoint is in.",
        field="start.checkpoint",
        hint="keep the stages up to there",
    )


def _exam(spec: JobSpec) -> tuple[object, ...]:
    """What measures on the held-out rows depend on."""
    return spec.evaluation_file, spec.evaluation, spec.early_stopping, spec.success


def _in_flight(progress: Progress, source: JobSpec, new: JobSpec) -> list[Ticket]:
    """Training groups that mean the same rows in both jobs."""
    if source.training_file != new.training_file:
        return []
    return [ticket for ticket in progress.open if not ticket.label]


def _size(phase: Phase) -> int:
    return phase.config.group_size if isinstance(phase, Rl) else 0


def _renamed(name: str, source: Branch, new: Branch) -> str:
    """Of a series or a group: `<job>.<stage>…`."""
    return new.job_id + name.removeprefix(source.job_id)
