"""KernelBench problems that teach the wrong thing, with the reason.

Where outputs hardly depend on the inputs, a constant passes for an answer. The problems were found by
drawing inputs and parameters from several seeds, at the published sizes and at reduced ones.
"""

from collections.abc import Mapping

Problem = tuple[int, int]
"""Level and number."""

_WEAK = "its output hardly depends on its inputs or parameters"
_WEAK_SMALL = "its output hardly depends on its inputs at reduced sizes"
_ZERO = "its output is always zero"

_ORIGINAL: Mapping[int, tuple[int, ...]] = {
    1: (23, 37, 38, 50, 94, 96, 97, 98),
    2: (9, 13, 23, 27, 36, 41, 44, 48, 49, 66, 84, 91, 96),
}
_REDUCED: Mapping[int, tuple[int, ...]] = {2: (8, 9, 23, 36, 38, 62, 75, 83, 88, 94)}


def _reasons(numbers: Mapping[int, tuple[int, ...]], reason: str) -> dict[Problem, str]:
    weak = {(level, number): reason for level, found in numbers.items() for number in found}
    return weak | {(2, 80): _ZERO}


ORIGINAL: Mapping[Problem, str] = _reasons(_ORIGINAL, _WEAK)
"""At the published sizes."""
REDUCED: Mapping[Problem, str] = _reasons(_REDUCED, _WEAK_SMALL)
"""Where the sizes were reduced for the interpreter."""
