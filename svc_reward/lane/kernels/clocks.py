"""What two clocks say of a kernel's speed. Pure: milliseconds in, a verdict out.

The device's events are read in the candidate's process, so they may lie. The grader's own clock does
not, but it sees the link as well. So events count, as long as the grader's clock bears them out.
"""

import random
from collections.abc import Sequence
from enum import IntEnum
from statistics import median
from typing import NamedTuple

from .trials import derive

LEAST_REPETITIONS, MOST_REPETITIONS = 20, 30
WARM_UP = 3
"""Repetitions at the start that are not counted."""
EMPTY = 9
"""Repetitions without a call, by which the link is measured."""
LEAST_LAPS = 8
"""Fewer are no measurement."""
CHECKED = 0.1
"""Part of the repetitions whose outputs are compared, and as much again whose operations are traced."""
BUFFERS = 3
"""Sets of input buffers that take turns."""
FIRST_DRAW, FIRST_SLOT = 1000, 100

CREDIBLE = 0.5
"""Events that show less than this part of what the grader's clock shows are no honest ones."""
SLACK = 0.2
"""Milliseconds by which the two may differ anyway."""
SLOWEST_LINK = 20.0
"""Milliseconds of overhead beyond which nothing can be timed over the link."""
RESOLUTION = 4.0
"""A baseline has to take this many times as long as the link's noise."""
QUARANTINE = 10.0
"""Times the baseline's speed beyond which a result is not believed."""
MARGIN = 4.0
"""Caches may take up outputs this many times as fast as large copies are made."""


class Step(IntEnum):
    """What a repetition is for. The candidate is never told."""

    EMPTY = 0
    WARM = 1
    COUNTED = 2
    VERIFIED = 3
    """Counted, and its outputs are compared."""
    TRACED = 4
    """Not counted: operations are traced, and outputs compared."""


class Repetition(NamedTuple):
    """One run against the clock: inputs that no other has, in buffers that take turns."""

    step: Step
    draw: int
    slot: int


class Lap(NamedTuple):
    """One timed repetition.

    Attributes:
        events: milliseconds by the device's events.
        wall: milliseconds by the grader's clock, from its order to the answer.
    """

    events: float
    wall: float


class Link(NamedTuple):
    """What the link adds to the grader's clock, in milliseconds: as a rule, and more or less."""

    overhead: float
    noise: float


class Baseline(NamedTuple):
    """How long the task's own model takes."""

    name: str
    milliseconds: float


class Verdict(NamedTuple):
    """What came of timing.

    Attributes:
        speedup: against the faster baseline; None if it could not be established.
        tampered: the clock in the candidate's process lied.
        text: for people.
    """

    speedup: float | None = None
    tampered: bool = False
    text: str = ""


def schedule(seed: int) -> tuple[Repetition, ...]:
    """All repetitions, in order; their number is drawn as well."""
    rng = random.Random(derive(seed, "clock"))  # noqa: S311 - only spreads the seed, which is the secret
    steps = [Step.VERIFIED, Step.TRACED]
    count = rng.randint(LEAST_REPETITIONS, MOST_REPETITIONS)
    kinds, odds = (Step.COUNTED, Step.VERIFIED, Step.TRACED), (1 - 2 * CHECKED, CHECKED, CHECKED)
    steps += rng.choices(kinds, odds, k=count - len(steps))
    steps += [Step.EMPTY] * EMPTY
    rng.shuffle(steps)
    ordered = [Step.WARM] * WARM_UP + steps
    return tuple(
        Repetition(step, FIRST_DRAW + i, FIRST_SLOT + i % BUFFERS) for i, step in enumerate(ordered)
    )


def link(empty: Sequence[Lap]) -> Link:
    """The link's share, from repetitions without a call."""
    walls = [lap.wall for lap in empty]
    overhead = median(walls)
    return Link(overhead, 2 * median(abs(wall - overhead) for wall in walls))


def tampered(laps: Sequence[Lap], of: Link) -> bool:
    """Whether events leave out much of what the grader's clock saw, in most of the laps.

    One late lap proves nothing: the machine may have been busy.
    """
    slack = max(SLACK, of.overhead, 2 * of.noise)
    short = 0
    for lap in laps:
        seen = lap.wall - of.overhead
        short += lap.events < CREDIBLE * seen and seen - lap.events > slack
    return short > len(laps) / 2


def milliseconds(laps: Sequence[Lap], of: Link) -> float:
    """How long a kernel takes: its events, but no less than the grader's clock is sure of."""
    return median(max(lap.events, lap.wall - of.overhead - of.noise) for lap in laps)


def floor(written: int, bandwidth: float) -> float:
    """Milliseconds that storing the outputs takes at least.

    Args:
        written: bytes of outputs. Inputs do not count: a kernel need not read all of them.
        bandwidth: bytes per millisecond of a large copy, reads and writes together.
    """
    return written / (MARGIN * bandwidth)


def fastest(baselines: Sequence[Baseline]) -> Baseline:
    return min(baselines, key=lambda baseline: baseline.milliseconds)


def refuse(laps: Sequence[Lap], empty: Sequence[Lap]) -> Verdict | None:
    """Why laps are worth nothing, whatever the baseline is; None if they may be worth something.

    Args:
        laps: counted repetitions.
        empty: repetitions without a call.
    """
    if len(laps) < LEAST_LAPS or len(empty) < LEAST_LAPS // 2:
        return Verdict(text="speed not measured: too few repetitions in the time that there was")
    if tampered(laps, link(empty)):
        return Verdict(tampered=True, text="the device's events leave out what the grader saw pass")
    return None


def judge(
    laps: Sequence[Lap], empty: Sequence[Lap], baselines: Sequence[Baseline], least: float
) -> Verdict:
    """Decide what the laps are worth.

    Args:
        laps: counted repetitions.
        empty: repetitions without a call.
        baselines: of the task's model; none if none could be measured.
        least: milliseconds that no kernel can beat.
    """
    refused = refuse(laps, empty)
    if refused is not None:
        return refused
    seen = link(empty)
    if not baselines:
        return Verdict(text="speed not measured: the task's model could not be timed")
    return _compared(milliseconds(laps, seen), fastest(baselines), seen, least)


def _compared(mine: float, base: Baseline, of: Link, least: float) -> Verdict:
    if of.overhead > SLOWEST_LINK or base.milliseconds < RESOLUTION * of.noise:
        return Verdict(
            text=f"speed not measured: {base.milliseconds:.3g} ms are lost in the link's noise"
        )
    if mine <= 0 or mine < least:
        return Verdict(text=f"{mine:.3g} ms are not believed: the outputs alone take {least:.3g}")
    speedup = base.milliseconds / mine
    text = (
        f"{speedup:.3g} times as fast as {base.name} ({mine:.3g} ms, not {base.milliseconds:.3g})"
    )
    if speedup > QUARANTINE:
        return Verdict(text=f"{text}: not believed beyond {QUARANTINE:g} times, so not counted")
    return Verdict(speedup=speedup, text=text)
