"""What a stage draws, and what is watched while it learns: curriculum and alarms at its steps.

Their state stands in the job's progress and changes at boundaries alone, so it is always in the
checkpoint of the boundary that it belongs to.
"""

from collections.abc import Sequence

from svc_learner.alarms import AlarmState, AlarmWatch, Evidence
from svc_learner.algorithms.measures import missing_parts, passes
from svc_learner.algorithms.metrics import mean
from svc_learner.curriculum.build import sampler_of
from svc_learner.curriculum.epochs import RowSampler
from svc_learner.curriculum.sampler import CurriculumSampler
from svc_learner.plan import Rl
from svc_learner.session import Session
from svc_learner.types import Advance, Completion


class Oversight:
    """Of one RL stage of one job."""

    def __init__(self, session: Session, phase: Rl) -> None:
        progress = session.progress
        self._session = session
        self.rows: RowSampler = sampler_of(
            phase,
            session.spec,
            session.rows,
            drawn=progress.drawn,
            known=progress.curriculum,
        )
        if isinstance(self.rows, CurriculumSampler):
            progress.curriculum = self.rows.state
        if not progress.drawn:
            progress.alarm_state = AlarmState()
        self._alarms = AlarmWatch(session.spec.alarms, progress.alarm_state)
        curriculum = phase.config.curriculum
        self._names = {
            "success.score": session.spec.success.score,
            "evaluation.best_by": session.spec.evaluation.best_by,
            f"stages[{phase.index}].rl.require_success": phase.config.require_success,
            f"stages[{phase.index}].rl.curriculum.measure": curriculum.measure
            if curriculum
            else "",
        }

    def finish_step(self, completions: Sequence[Completion]) -> dict[str, float]:
        """After an optimizer step, before it is recorded.

        Args:
            completions: all that the step consumed.

        Returns:
            metrics of the step that was taken.
        """
        progress = self._session.progress
        metrics = self.rows.metrics()
        success = self._session.spec.success
        if passed := passes(completions, success):
            metrics["pass_rate"] = mean([float(one) for one in passed])
        evidence = Evidence.of(completions, success)
        era = f"{progress.reward_set}/{metrics.get('curriculum/level', 0):g}"
        for alarm in self._alarms.see_step(progress.version, evidence, era=era):
            self._session.alarm(alarm)
        self._note(self.rows.settle(progress.version + 1, stepped=True))
        return metrics | self._alarms.metrics()

    def remark(self, completions: Sequence[Completion]) -> str:
        """What is odd about the stage's first step; "": nothing."""
        if self._session.progress.step != 1:
            return ""
        missing = missing_parts(completions, self._names.values())
        odd = [
            f"no completion has the part `{name}` that `{field}` names; there are: "
            + ", ".join(missing[name])
            for field, name in self._names.items()
            if name in missing
        ]
        return "; ".join(odd)

    def open_level(self, *, solved: bool) -> bool:
        """Between two steps: whether a level opens, because it is due or the open ones are solved.

        The caller has to make the change durable before the next draw.
        """
        step = self._session.progress.version + 1
        if solved:
            advance = self.rows.pass_solved_level(step)
        else:
            advance = self.rows.settle(step, stepped=False) if self.rows.due else None
        self._note(advance)
        return advance is not None

    def _note(self, advance: Advance | None) -> None:
        if advance is not None:
            self._session.progress.advances.append(advance)
