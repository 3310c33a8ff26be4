"""Which row comes next: seeded shuffles, one per epoch.

The n-th draw is a pure function of (seed, n), so the number of draws is the whole state. A filtered
group is replaced by the next draw, as in DAPO's dynamic sampling (arXiv:2503.14476, section 3.2).
"""

import random
from typing import NamedTuple, Protocol

from svc_learner.types import Advance, Group


class Draw(NamedTuple):
    """A row to dispatch. Draws are numbered from 0 within a stage; `level` "" is none."""

    number: int
    row: int
    level: str = ""


class RowSampler(Protocol):
    """Draws follow from the seed, counters, and what the last settlement saw: nothing else.

    So whoever restarts from the checkpoint of a settlement draws the same rows again, whatever was
    observed in between, and by whom.
    """

    @property
    def drawn(self) -> int:
        """How many rows were drawn."""

    def draw(self) -> Draw:
        """The next row."""

    def observe(self, group: Group) -> None:
        """A group of the stage was judged; call it once for each, in the order of judging."""

    def settle(self, step: int, *, stepped: bool) -> Advance | None:
        """Take what was observed into account: at a step, or (`stepped` False) between two.

        Args:
            step: the next step, counted over all stages, from 1.
            stepped: an optimizer step was taken.

        Returns:
            The level that opened, if one did.
        """

    @property
    def due(self) -> bool:
        """Whether settling now would open a level."""

    def pass_solved_level(self, step: int) -> Advance | None:
        """Open the next level because the open ones have nothing left to teach."""

    def metrics(self) -> dict[str, float]:
        """Where it stands, as of the last settlement."""


class EpochSampler:
    """Draws row numbers; every row comes once before any comes twice. It learns from nothing."""

    due = False

    def __init__(self, *, seed: int | str, rows: int, drawn: int = 0) -> None:
        if rows < 1:
            raise ValueError("cannot sample from no rows")
        self._seed = seed
        self._rows = rows
        self._order: tuple[int, list[int]] = (-1, [])
        self.drawn = drawn

    def draw(self) -> Draw:
        number = self.drawn
        self.drawn += 1
        return Draw(number, self.row(number))

    def row(self, number: int) -> int:
        """The row of a draw."""
        epoch, position = divmod(number, self._rows)
        if self._order[0] != epoch:
            self._order = (epoch, self._shuffled(epoch))
        return self._order[1][position]

    def observe(self, group: Group) -> None:
        """Nothing depends on it."""

    def settle(self, step: int, *, stepped: bool) -> Advance | None:  # noqa: ARG002
        return None

    def pass_solved_level(self, step: int) -> Advance | None:  # noqa: ARG002
        return None

    def metrics(self) -> dict[str, float]:
        return {}

    def _shuffled(self, epoch: int) -> list[int]:
        order = list(range(self._rows))
        random.Random(f"{self._seed}/{epoch}").shuffle(order)  # noqa: S311 - not for secrets
        return order
