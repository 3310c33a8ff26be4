"""Held-out rows through the same pipeline as training rows: rollout, reward, log of scores.

An evaluation's groups stay open until its result is published, so a learner that takes over finds
all of them in the log again.
"""

from collections.abc import Sequence

from burnish.datasets import DatasetRow
from burnish.errors import UserError
from burnish.spec import Evaluation
from svc_learner.channel import Channel
from svc_learner.desk import GroupDesk
from svc_learner.progress import OpenEvaluation
from svc_learner.types import Group, Ticket


class Evaluations:
    """Any number of evaluations may be under way while training goes on."""

    def __init__(
        self,
        job_id: str,
        rows: Sequence[DatasetRow],
        config: Evaluation,
        *,
        channel: Channel,
        desk: GroupDesk,
    ) -> None:
        self._job_id = job_id
        self._rows = rows
        self._config = config
        self._channel = channel
        self._desk = desk
        self._open: dict[str, OpenEvaluation] = {}
        self._ended: dict[str, dict[int, Group]] = {}

    @property
    def open(self) -> Sequence[OpenEvaluation]:
        return tuple(self._open.values())

    def restore(self, open_ones: Sequence[OpenEvaluation]) -> None:
        """Go on waiting for evaluations whose groups were dispatched before."""
        for evaluation in open_ones:
            self._open[evaluation.label] = evaluation
            self._ended[evaluation.label] = {}

    async def start(self, label: str) -> None:
        """Ask for all held-out rows with the newest published policy; without rows, do nothing."""
        if not self._rows:
            return
        adapter = self._channel.adapter
        version = adapter.policy_version if adapter else 0
        self.restore([OpenEvaluation(label, version, adapter.name if adapter else "")])
        for number, row in enumerate(self._rows):
            group_id = f"{self._job_id}.eval-{label}.{number}"
            ticket = Ticket(group_id, number, self._config.samples, version, label)
            await self._desk.dispatch(ticket, row, self._config.sampling)

    async def take(self, group: Group) -> bool:
        """Whether the group belongs to an evaluation; publishes the result with the last one."""
        label = group.ticket.label
        if not label:
            return False
        self._ended[label][group.ticket.row] = group
        if len(self._ended[label]) == len(self._rows):
            await self._finish(label)
        return True

    async def _finish(self, label: str) -> None:
        groups = self._ended.pop(label)
        answers = [(self._rows[row], c) for row in sorted(groups) for c in groups[row].completions]
        if not answers:
            reason = next((g.cancelled for g in groups.values() if g.cancelled), "")
            raise UserError(f"No held-out row could be answered: {reason}", field="evaluation_file")
        await self._channel.announce_evaluation(self._open.pop(label), answers)
        for group in groups.values():
            self._desk.close(group)
