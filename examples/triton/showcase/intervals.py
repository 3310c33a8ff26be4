"""Means over seeds, with their spread. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

T_975: Sequence[float] = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
)  # fmt: skip
"""Student's t at 97.5 %, for 1 to 20 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over n seeds; `half` is half of its 95 % interval, None with a single seed."""

    mean: float
    half: float | None
    n: int

    def __str__(self) -> str:
        """For tables of shares: `.812 ± .034`."""
        if self.half is None:
            return _short(self.mean)
        return f"{_short(self.mean)} ± {_short(self.half)}"


def estimate(values: Sequence[float]) -> Estimate:
    """The mean and its two-sided 95 % interval by Student's t.

    The interval speaks of other seeds on the same test rows, not of other rows.
    """
    n = len(values)
    if n == 1:
        return Estimate(values[0], None, 1)
    t = T_975[min(n - 1, len(T_975)) - 1]
    return Estimate(fmean(values), t * stdev(values) / math.sqrt(n), n)


def _short(value: float) -> str:
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"
