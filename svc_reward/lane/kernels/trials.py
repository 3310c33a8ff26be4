"""Which hidden calls a kernel has to answer. Pure: drawn from the job's secret seed.

Each call costs a run of the interpreter, so each serves several purposes. Their order and number
are random: a kernel cannot know which call is which, or when it is over.
"""

import hashlib
import random
from enum import IntEnum
from typing import NamedTuple

SCALED_DRAW = 2
"""The number of the draw whose floating values are on another scale."""


PROBES = (80, 81, SCALED_DRAW)
"""Draws that tell whether the answer depends on the inputs at all."""


class Purpose(IntEnum):
    """What a call is there to find out."""

    DECLARED = 1
    """Inputs as the task draws them."""
    CHANGED = 2
    """The buffers of an earlier call, with other values, on another scale where floating."""
    REPEATED = 3
    """The values of an earlier call in new buffers: same question, same answer."""
    STRIDED = 4
    """Inputs that are not contiguous."""
    SHAPED = 5
    """Inputs of another shape."""
    ABLATED = 6
    """New values, but kernels do nothing: the answer must be wrong."""
    TIMED = 7
    """New values against the clock; only of calls whose answer was compared."""


class Trial(NamedTuple):
    """One call.

    Attributes:
        purpose: why.
        draw: number of the input set; equal numbers are equal values.
        variant: which shapes: 0 is the task as it stands.
        slot: which buffers; a slot that was used before is overwritten in place.
    """

    purpose: Purpose
    draw: int
    variant: int = 0
    slot: int = 0


def plan(seed: int, *, variants: int, strided: bool, sets: int = 2) -> tuple[Trial, ...]:
    """The calls of one evaluation, in order.

    Args:
        seed: the job's.
        variants: how many shapes there are besides the declared one.
        strided: the task allows inputs that are not contiguous.
        sets: least number of input sets that are as the task draws them, in one shape or another.
    """
    # Not for secrets: the seed is the secret, this only spreads it.
    rng = random.Random(derive(seed, "plan"))  # noqa: S311
    first = Trial(Purpose.DECLARED, draw=1, slot=1)
    loose = [Trial(Purpose.SHAPED, 10 + i, variant=i + 1, slot=10 + i) for i in range(variants)]
    if strided:
        loose.append(Trial(Purpose.STRIDED, 30, slot=30))
    fresh = max(0, sets - 1 - variants) + rng.randrange(2)
    loose += [Trial(Purpose.DECLARED, 40 + i, slot=40 + i) for i in range(fresh)]
    calls = [first]
    for trial in rng.sample(loose, len(loose)):
        calls.insert(rng.randrange(len(calls) + 1), trial)
    after = calls.index(first) + 1
    changed = rng.randrange(after, len(calls) + 1)
    calls.insert(changed, Trial(Purpose.CHANGED, draw=SCALED_DRAW, slot=1))
    again = rng.choice([1, SCALED_DRAW])
    known = next(i for i, trial in enumerate(calls) if trial.draw == again and not trial.variant)
    place = rng.randrange(known + 1, len(calls) + 1)
    calls.insert(place, Trial(Purpose.REPEATED, draw=again, slot=3))
    # Last, because a kernel that did not run may leave a module's own buffers in any state.
    return (*calls, Trial(Purpose.ABLATED, draw=90, slot=90))


def derive(seed: int, *names: object) -> int:
    """A seed for one use, unrelated to those for other uses."""
    text = "/".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")


def other_batch(size: int, seed: int) -> int:
    """A batch size that is not `size` and costs about as much."""
    choices = [count for count in (size - 1, size + 1, size // 2 + 2) if 0 < count != size]
    return choices[derive(seed, "batch") % len(choices)]
