"""What the text of a completion says before anything of it runs."""

from collections.abc import Mapping
from typing import NamedTuple

from .reports import Launch


class Kernels(NamedTuple):
    """The part of a candidate that the compiler gets.

    Attributes:
        source: a module of kernels and constants only.
        guesses: launches that the text suggests, for when none was seen.
    """

    source: str
    guesses: tuple[Launch, ...] = ()


class Inspected(NamedTuple):
    """A candidate's module, if the completion holds one, and the hacks that its text shows."""

    source: str | None
    kernels: Kernels
    flags: tuple[str, ...]
    message: str


def inspect(completion: str, example: Mapping[str, str]) -> Inspected:
    return Inspected(completion, Kernels(completion), (), "")
