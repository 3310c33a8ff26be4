"""Levels, decks, pools and promotion together: the sampler of a stage with a curriculum."""

import math
from collections import Counter
from dataclasses import dataclass

from burnish.levels import Levels
from burnish.run_spec import Success
from burnish.stage_spec import Adaptive, Curriculum
from svc_learner.algorithms.measures import passes, values_of
from svc_learner.algorithms.metrics import mean
from svc_learner.curriculum.deck import Deck
from svc_learner.curriculum.epochs import Draw
from svc_learner.curriculum.pools import POOLS, Pool, pool_of, weight_of
from svc_learner.curriculum.promotion import SOLVED, reason_to_promote
from svc_learner.curriculum.state import CurriculumState
from svc_learner.types import Advance, Group


@dataclass(frozen=True, slots=True)
class _Seen:
    row: int
    pass_rate: float | None
    measure: float | None


class CurriculumSampler:
    """See `RowSampler`. `state` changes at draws (counters) and settlements (the rest) alone."""

    def __init__(
        self,
        levels: Levels,
        config: Curriculum,
        success: Success,
        *,
        seed: int,
        drawn: int,
        state: CurriculumState,
    ) -> None:
        self._levels = levels
        self._config = config
        self._success = success
        self.drawn = drawn
        self.state = state
        self._seen: list[_Seen] = []
        self._decks = [
            Deck(levels.rows(level), seed=f"{seed}.{level}" if level else str(seed))
            for level in range(len(levels.names))
        ]
        self._weigh()

    def draw(self) -> Draw:
        number, level = self.drawn, self._level_of(self.drawn)
        self.drawn += 1
        row, self.state.positions[level] = self._decks[level].deal(self.state.positions[level])
        return Draw(number, row, self._levels.names[level])

    def observe(self, group: Group) -> None:
        passed = passes(group.completions, self._success)
        measured = values_of(group.completions, self._config.measure)
        self._seen.append(
            _Seen(
                group.ticket.row,
                mean([float(one) for one in passed]) if passed else None,
                mean(measured) if measured else None,
            )
        )

    @property
    def due(self) -> bool:
        return bool(self._after(self._window()))

    def settle(self, step: int, *, stepped: bool) -> Advance | None:
        state = self.state
        state.steps += stepped
        state.window = self._window()
        state.pass_rates |= {
            seen.row: seen.pass_rate for seen in self._seen if seen.pass_rate is not None
        }
        self._seen.clear()
        self._weigh()
        return self._open_next(step, self._after(state.window))

    def pass_solved_level(self, step: int) -> Advance | None:
        self.settle(step, stepped=False)
        return self._open_next(step, SOLVED if self._is_more else "")

    def metrics(self) -> dict[str, float]:
        state, config = self.state, self._config
        found: dict[str, float] = {}
        if config.level_column:
            found["curriculum/level"] = float(state.level + 1)
            if state.window:
                found["curriculum/measure"] = mean(state.window)
        for name, deck in zip(self._levels.names, self._decks, strict=True):
            rates = [state.pass_rates[row] for row in deck.rows if row in state.pass_rates]
            if rates:
                found[f"curriculum/pass_rate{'/' if name else ''}{name}"] = mean(rates)
        if config.adaptive is not None:
            found |= self._pool_sizes(config.adaptive)
        return found

    @property
    def _is_more(self) -> bool:
        return self.state.level + 1 < len(self._levels.names)

    def _level_of(self, number: int) -> int:
        """The hardest open level, or for a share of the draws one below it, each in its turn."""
        share, open_below = self._config.rehearsal, self.state.level
        rehearsed = math.floor(number * share)
        if not open_below or math.floor((number + 1) * share) == rehearsed:
            return open_below
        return rehearsed % open_below

    def _window(self) -> list[float]:
        """The newest measures of the hardest open level, with those not settled yet."""
        newest = [
            seen.measure
            for seen in self._seen
            if seen.measure is not None and self._levels.of_row[seen.row] == self.state.level
        ]
        return [*self.state.window, *newest][-self._config.window :]

    def _after(self, window: list[float]) -> str:
        """Why the next level opens with this window; "": it does not."""
        if not self._is_more:
            return ""
        name = self._levels.names[self.state.level]
        return reason_to_promote(window, self.state.steps, self._config, name)

    def _open_next(self, step: int, reason: str) -> Advance | None:
        if not reason:
            return None
        state, names = self.state, self._levels.names
        state.level, state.steps, state.window = state.level + 1, 0, []
        return Advance(step, names[state.level], state.level + 1, len(names), reason)

    def _weigh(self) -> None:
        adaptive = self._config.adaptive
        if adaptive is None:
            return
        for deck in self._decks:
            deck.weigh(lambda row: weight_of(self._pool(row, adaptive), adaptive))

    def _pool(self, row: int, adaptive: Adaptive) -> Pool:
        return pool_of(self.state.pass_rates.get(row), adaptive)

    def _pool_sizes(self, adaptive: Adaptive) -> dict[str, float]:
        """Rows of the open levels by pool."""
        decks = self._decks[: self.state.level + 1]
        sizes = Counter(self._pool(row, adaptive) for deck in decks for row in deck.rows)
        return {f"curriculum/rows/{pool}": float(sizes[pool]) for pool in POOLS}
