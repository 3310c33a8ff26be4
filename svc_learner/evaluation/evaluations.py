"""Held-out rows through the same pipeline as training rows: rollout, reward, log of scores.

An evaluation's groups stay open until its result is published, so a learner that takes over finds
all of them in the log again. Evaluations are concluded in the order in which they began, whichever
ends first: what they decide (the best, the end of a stage, alarms) follows from the log alone.
"""

from collections.abc import Callable, Sequence

from burnish.datasets import DatasetRow
from burnish.errors import UserError
from burnish.levels import level_of
from burnish.spec import JobSpec
from svc_learner.alarms import AlarmWatch
from svc_learner.channel import Channel
from svc_learner.evaluation.results import Result, result_of
from svc_learner.evaluation.standing import Best, better
from svc_learner.pipeline.desk import GroupDesk
from svc_learner.state.progress import OpenEvaluation, Progress
from svc_learner.types import Alarm, Group, Ticket

IN_TRAINING = "step-"
"""Evaluations between two steps of a stage are labelled `step-<policy version>`."""


class Evaluations:
    """Any number of evaluations may be under way while training goes on."""

    def __init__(
        self,
        job_id: str,
        rows: Sequence[DatasetRow],
        spec: JobSpec,
        *,
        channel: Channel,
        desk: GroupDesk,
        progress: Progress,
        alarm: Callable[[Alarm], None],
    ) -> None:
        self._job_id = job_id
        self._rows = rows
        self._spec = spec
        self._channel = channel
        self._desk = desk
        self._progress = progress
        self._alarm = alarm
        self._level_column = _level_column(spec)
        self._open: dict[str, OpenEvaluation] = {}
        self._ended: dict[str, dict[int, Group]] = {}
        self.measures: dict[int, float] = {}
        """Step → what `best_by` came to, of evaluations since the last checkpoint."""
        self.restore(progress.evaluations)

    @property
    def open(self) -> Sequence[OpenEvaluation]:
        """In the order in which they began."""
        return tuple(self._open.values())

    def restore(self, open_ones: Sequence[OpenEvaluation]) -> None:
        """Go on waiting for evaluations whose groups were dispatched before."""
        for evaluation in open_ones:
            self._open[evaluation.label] = evaluation
            self._ended[evaluation.label] = {}

    async def start(self, label: str) -> None:
        """Ask for all held-out rows with the newest published policy, unless there are none."""
        if not self._rows or label == self._progress.evaluated:
            return
        self._progress.evaluated = label
        adapter = self._channel.adapter
        version = adapter.policy_version if adapter else 0
        evaluation = OpenEvaluation(
            label,
            version,
            adapter.name if adapter else "",
            phase=self._progress.phase,
            reward_set=self._channel.reward_set,
            training_reward=self._watch.training_reward,
        )
        self.restore([evaluation])
        for number, row in enumerate(self._rows):
            ticket = Ticket(
                f"{self._job_id}.eval-{label}.{number}",
                number,
                self._spec.evaluation.samples,
                version,
                label,
                level_of(row, self._level_column),
                self._channel.reward_set,
            )
            await self._desk.dispatch(ticket, row, self._spec.evaluation.sampling)

    async def take(self, group: Group) -> bool:
        """Whether the group belongs to an evaluation; concludes those that are complete."""
        label = group.ticket.label
        if not label:
            return False
        self._ended[label][group.ticket.row] = group
        for first in self.open:
            if len(self._ended[first.label]) < len(self._rows):
                break
            await self._conclude(first)
        return True

    async def _conclude(self, evaluation: OpenEvaluation) -> None:
        ended = self._ended.pop(evaluation.label)
        del self._open[evaluation.label]
        groups = [ended[row] for row in sorted(ended)]
        completions = [group.completions for group in groups]
        result = result_of(completions, self._spec.evaluation, self._spec.success)
        if result is None:
            await self._complain(evaluation, groups)
        else:
            best, gap = self._judge(evaluation, result)
            answers = [(self._rows[g.ticket.row], c) for g in groups for c in g.completions]
            await self._channel.announce_evaluation(
                evaluation,
                result,
                answers,
                samples=self._spec.evaluation.samples,
                best=best,
                gap=gap,
            )
        for group in groups:
            self._desk.close(group)

    async def _complain(self, evaluation: OpenEvaluation, groups: Sequence[Group]) -> None:
        """Infrastructure is no score, and held-out rows are no reason to lose a training run.

        Raises:
            UserError: the very first evaluation: nothing that is needed works.
        """
        reasons = [group.cancelled for group in groups if group.cancelled]
        reasons += [c.message for group in groups for c in group.completions if c.message]
        reason = reasons[0] if reasons else "no completion got a reward"
        text = f"No held-out row could be judged ({evaluation.label}): {reason}"
        if not evaluation.adapter:
            raise UserError(text, field="evaluation_file")
        await self._channel.update("evaluation", text)

    def _judge(self, evaluation: OpenEvaluation, result: Result) -> tuple[bool, float | None]:
        """What follows from a result: whether it is the best one, and its gap to training."""
        progress, best = self._progress, False
        if result.measure is not None and evaluation.adapter:
            candidate = Best(
                evaluation.policy_version,
                evaluation.adapter,
                result.measure,
                evaluation.reward_set,
            )
            self.measures[candidate.step] = candidate.measure
            best = better(candidate, progress.best)
            progress.best = candidate if best else progress.best
            if self._of_this_stage(evaluation):
                config = self._spec.early_stopping
                progress.patience = progress.patience.after(result.measure, config)
        if evaluation.training_reward is None:
            return best, None
        gap = evaluation.training_reward - result.reward_mean
        if self._of_this_stage(evaluation):
            for alarm in self._watch.see_gap(evaluation.policy_version, gap):
                self._alarm(alarm)
        return best, gap

    def _of_this_stage(self, evaluation: OpenEvaluation) -> bool:
        in_training = evaluation.label.startswith(IN_TRAINING)
        return in_training and evaluation.phase == self._progress.phase

    @property
    def _watch(self) -> AlarmWatch:
        return AlarmWatch(self._spec.alarms, self._progress.alarm_state)


def _level_column(spec: JobSpec) -> str:
    """The first one that a stage names: held-out rows may have it as well."""
    stages = [stage.rl for stage in spec.stages if stage.rl is not None]
    columns = [stage.curriculum.level_column for stage in stages if stage.curriculum]
    return next((column for column in columns if column), "")
