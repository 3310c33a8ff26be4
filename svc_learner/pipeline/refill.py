"""Keeps as many groups of one stage in flight as pacing admits."""

from collections.abc import Sequence

from burnish.stage_spec import RlStage
from svc_learner.curriculum.epochs import RowSampler
from svc_learner.pipeline.pacing import Pacing
from svc_learner.session import Session
from svc_learner.types import Ticket


class Refill:
    """Dispatches groups `<series>.<number>`, each with the newest published policy."""

    def __init__(
        self, session: Session, config: RlStage, *, series: str, pacing: Pacing, rows: RowSampler
    ) -> None:
        self._session = session
        self._config = config
        self._series = series
        self._pacing = pacing
        self._rows = rows

    @property
    def running(self) -> Sequence[Ticket]:
        """The stage's groups that were dispatched and have not ended, oldest first."""
        return [ticket for ticket in self._session.desk.assembler.running if not ticket.label]

    @property
    def oldest(self) -> int:
        """Number of the oldest group that is not closed, else of the next to be dispatched."""
        tickets = (t for t in self._session.desk.assembler.open if not t.label)
        return min((ticket.number for ticket in tickets), default=self._rows.drawn)

    async def fill(self, *, used: int, ready: int, waiting: int) -> None:
        """Dispatch what may be dispatched now.

        Args:
            used: groups whose gradients are already in the next step.
            ready: groups that wait to be used.
            waiting: groups that ended and wait to be judged. They count as running: what is
                dispatched when must not depend on which of the others ended first.
        """
        session, progress = self._session, self._session.progress
        free = self._pacing.capacity(
            step=progress.step, used=used, ready=ready, running=len(self.running) + waiting
        )
        for _ in range(free):
            draw = self._rows.draw()
            progress.drawn = self._rows.drawn
            ticket = Ticket(
                f"{self._series}.{draw.number}",
                draw.row,
                self._config.group_size,
                progress.version,
                level=draw.level,
                reward_set=progress.reward_set,
            )
            await session.desk.dispatch(ticket, session.rows.rows[draw.row], self._config.sampling)
