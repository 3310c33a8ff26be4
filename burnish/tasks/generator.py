"""Generated tasks: as many as a curriculum needs, the same for the same seed. Pure."""

from collections.abc import Iterator, Sequence
from random import Random

from burnish.errors import UserError
from burnish.tasks.grammar import COLUMNS, INNER, PRODUCTIONS, ROWS, Sketch
from burnish.tasks.task import KernelTask

LEVELS = tuple(PRODUCTIONS)
ATTEMPTS = 200
"""Drawings without a new task after which a level counts as exhausted."""
SIZES = (5, 7, 12, 17, 20, 24, 31, 33, 40, 48)
"""Of dimensions: small enough for an interpreter, few of them powers of two."""

_MODULE = '''\
import torch
import torch.nn as nn
import torch.nn.functional as F


class Model(nn.Module):
    """Computes {about}."""

    def __init__(self):
        super().__init__()

    def forward(self, {names}):
{lines}
        return h


{constants}


def get_inputs():
    return [{draws}]


def get_init_inputs():
    return []
'''


def generate(*, levels: Sequence[int], count: int, seed: int) -> Iterator[KernelTask]:
    """Tasks, `count` of each level, no two of which compute the same.

    Raises:
        UserError: there is no such level, or it does not hold as many tasks.
    """
    for level in dict.fromkeys(levels):
        if level not in PRODUCTIONS:
            known = f"levels are {LEVELS[0]} to {LEVELS[-1]}"
            raise UserError(f"{level} is no level of generated tasks", field="level", hint=known)
        # Not for secrets.
        yield from _level(level, count, seed, Random(f"{seed}/{level}"))  # noqa: S311


def _level(level: int, count: int, seed: int, rng: Random) -> Iterator[KernelTask]:
    seen: set[tuple[str, ...]] = set()
    for number in range(1, count + 1):
        sketch = _new(level, rng, seen)
        if sketch is None:
            raise UserError(
                f"level {level} holds no more than {number - 1} different tasks from seed {seed}",
                field="count",
            )
        seen.add(_identity(sketch))
        yield _task(f"generated/{seed}/{level}/{number}", level, sketch, rng)


def _new(level: int, rng: Random, seen: set[tuple[str, ...]]) -> Sketch | None:
    drawn = (PRODUCTIONS[level](rng) for _ in range(ATTEMPTS))
    return next((sketch for sketch in drawn if _identity(sketch) not in seen), None)


def _identity(sketch: Sketch) -> tuple[str, ...]:
    return (*sketch.lines, *(draw for _, draw in sketch.inputs))


def _task(name: str, level: int, sketch: Sketch, rng: Random) -> KernelTask:
    text = " ".join((*sketch.lines, *(draw for _, draw in sketch.inputs)))
    used = [size for size in (ROWS, COLUMNS, INNER) if size in text]
    # All distinct: a kernel that takes one for another, or remembers one, is found out.
    sizes = iter(rng.sample(SIZES, 3 * len(used)))
    own, *others = ({name: next(sizes) for name in used} for _ in range(3))
    source = _MODULE.format(
        about=sketch.about,
        names=", ".join(name for name, _ in sketch.inputs),
        lines="\n".join(f"        h = {line}" for line in sketch.lines),
        constants="\n".join(f"{key} = {value}" for key, value in own.items()),
        draws=", ".join(draw for _, draw in sketch.inputs),
    )
    return KernelTask(
        name, f"{sketch.about} {name.rpartition('/')[2]}", level, source, tuple(others)
    )
