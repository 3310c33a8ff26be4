"""What a curriculum remembers, in a form that outlives the process."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(slots=True)
class CurriculumState:
    """Of one stage. Draws between two settlements follow from it and the stage's draw counter."""

    data: str
    """The training file whose rows the numbers below mean."""
    level: int = 0
    """The hardest open level, from 0."""
    steps: int = 0
    """Optimizer steps since it opened."""
    positions: list[int] = field(default_factory=list)
    """How far each level's deck was dealt."""
    pass_rates: dict[int, float] = field(default_factory=dict)
    """Row → share of its newest group's completions that passed."""
    window: list[float] = field(default_factory=list)
    """Means of the measure over the newest groups of the hardest open level, oldest first."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """From what `dataclasses.asdict` and JSON made of it: keys of JSON are text."""
        rates = {int(row): rate for row, rate in data["pass_rates"].items()}
        return cls(**{**data, "pass_rates": rates})

    @classmethod
    def of(cls, known: Self | None, *, data: str, levels: int) -> Self:
        """Go on from what is known; of other rows only the level reached is worth something."""
        if known is None:
            known = cls(data)
        elif known.data != data:
            known = cls(data, known.level)
        known.level = min(known.level, levels - 1)
        known.positions += [0] * (levels - len(known.positions))
        return known
