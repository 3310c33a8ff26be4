"""The rows of one level, dealt in seeded shuffles, some more often than others.

Each epoch is a shuffle of all rows, thinned: a row is dealt with the chance of its weight over the
greatest weight, else it waits for the next epoch. So rows come in proportion to their weights, and
among rows of the greatest weight every one comes once before any comes twice.
"""

import random
from collections.abc import Callable, Sequence

from svc_learner.curriculum.epochs import EpochSampler


class Deck:
    """Deals a pure function of seed, position and weights; the caller keeps the position."""

    def __init__(self, rows: Sequence[int], *, seed: str) -> None:
        self._rows = rows
        self._seed = seed
        self._order = EpochSampler(seed=seed, rows=len(rows))
        self._chances: list[float] = [1.0] * len(rows)

    @property
    def rows(self) -> Sequence[int]:
        return self._rows

    def weigh(self, weight: Callable[[int], float]) -> None:
        """Set each row's weight, at least 0; when all are 0, all rows count alike."""
        weights = [weight(row) for row in self._rows]
        top = max(weights)
        self._chances = [w / top for w in weights] if top else [1.0] * len(weights)

    def deal(self, position: int) -> tuple[int, int]:
        """A row, and the position from which the next one is dealt."""
        while True:
            place = self._order.row(position)
            position += 1
            if self._chances[place] >= 1 or self._luck(position) < self._chances[place]:
                return self._rows[place], position

    def _luck(self, position: int) -> float:
        return random.Random(f"{self._seed}/luck/{position}").random()  # noqa: S311 - not for secrets
