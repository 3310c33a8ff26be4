"""A dataset's rows by level, easiest first: a curriculum's `level_column`, read and checked.

Values that are equal as numbers are one level, however they are written (`1`, `1.0`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.datasets import Dataset, DatasetRow
from burnish.errors import UserError
from burnish.explain import nearest
from burnish.stage_spec import Curriculum

MOST = 256
"""Levels of one curriculum: more distinct values mean that the column is something else."""

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Levels:
    """`names` in order, easiest first; `of_row` is each row's place in them."""

    names: tuple[str, ...]
    of_row: tuple[int, ...]

    def rows(self, level: int) -> tuple[int, ...]:
        """The numbers of a level's rows; at least one."""
        return tuple(row for row, at in enumerate(self.of_row) if at == level)


def read(data: Dataset, config: Curriculum, field: str) -> Levels:
    """Sort the rows into levels. Without a `level_column` all rows are of one level without a name.

    Args:
        data: the training rows.
        config: the curriculum.
        field: the curriculum's own place in the job, such as `stages[1].rl.curriculum`.

    Raises:
        UserError: a row has no level, or the levels found are not the levels given.
    """
    if not config.level_column:
        return Levels(("",), (0,) * len(data.rows))
    if config.level_column not in data.columns:
        raise UserError(
            f"the training file has no column `{config.level_column}`",
            field=f"{field}.level_column",
            hint=nearest(config.level_column, data.columns, "columns"),
        )
    values = [_value(row, config.level_column, f"{field}.level_column") for row in data.rows]
    names = _ordered(values, config, field)
    places = {name: place for place, name in enumerate(names)}
    return Levels(names, tuple(places[value] for value in values))


def level_of(row: DatasetRow, column: str) -> str:
    """A row's level; "" where it has none."""
    return _normal(row.example.get(column, ""))


def _value(row: DatasetRow, column: str, field: str) -> str:
    found = level_of(row, column)
    if not found:
        raise UserError(
            f"row {row.id} of the training file has no value in `{column}` (rows count from 0)",
            field=field,
            hint="give each row its level",
        )
    return found


def _ordered(values: Sequence[str], config: Curriculum, field: str) -> tuple[str, ...]:
    found = sorted(set(values), key=_rank)
    if not config.levels:
        if len(found) > MOST:
            raise UserError(
                f"`{config.level_column}` has {len(found)} different values; "
                f"a curriculum has at most {MOST} levels",
                field=f"{field}.level_column",
                hint="name a column that sorts the rows into a few levels",
            )
        return tuple(found)
    given = tuple(_normal(name) for name in config.levels)
    _check_given(given, found, values, field)
    return given


def _check_given(
    given: Sequence[str], found: Sequence[str], values: Sequence[str], field: str
) -> None:
    known = ", ".join(found[:_SHOWN]) + (", ..." if len(found) > _SHOWN else "")
    for place, name in enumerate(given):
        if name not in found:
            raise UserError(
                f"no row of the training file has the level `{name}`",
                field=f"{field}.levels[{place}]",
                hint=f"levels of its rows: {known}",
            )
    for row, value in enumerate(values):
        if value not in given:
            raise UserError(
                f"row {row} of the training file has the level `{value}`, "
                "which `levels` does not order",
                field=f"{field}.levels",
                hint=f"levels of its rows: {known}",
            )


def _normal(value: str) -> str:
    text = value.strip()
    number = _number(text)
    return text if number is None else f"{number:.12g}"


def _rank(value: str) -> tuple[bool, float, str]:
    """Numbers by value, then words by the alphabet."""
    number = _number(value)
    return (number is None, number or 0.0, value)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
