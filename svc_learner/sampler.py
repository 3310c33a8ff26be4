"""Which row comes next: seeded shuffles, one per epoch.

The n-th draw is a pure function of (seed, n), so the number of draws is the whole state. A filtered
group is replaced by the next draw, as in DAPO's dynamic sampling (arXiv:2503.14476, section 3.2).
"""

import random


class EpochSampler:
    """Draws row numbers; every row comes once before any comes twice."""

    def __init__(self, *, seed: int, rows: int, drawn: int = 0) -> None:
        if rows < 1:
            raise ValueError("cannot sample from no rows")
        self._seed = seed
        self._rows = rows
        self._order: tuple[int, list[int]] = (-1, [])
        self.drawn = drawn

    def draw(self) -> tuple[int, int]:
        """The number of this draw, from 0, and its row."""
        number = self.drawn
        self.drawn += 1
        return number, self.row(number)

    def row(self, number: int) -> int:
        epoch, position = divmod(number, self._rows)
        if self._order[0] != epoch:
            self._order = (epoch, self._shuffled(epoch))
        return self._order[1][position]

    def _shuffled(self, epoch: int) -> list[int]:
        order = list(range(self._rows))
        random.Random(f"{self._seed}/{epoch}").shuffle(order)  # noqa: S311 - not for secrets
        return order
