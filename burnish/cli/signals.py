"""Ctrl-C and SIGTERM for commands that own a platform."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

from burnish.supervisor import Platform


@contextlib.contextmanager
def interruptible(platform: Platform) -> Iterator[None]:
    """End the platform with the block, however it ends; a second signal ends it without a grace."""
    sigterm_interrupts()
    try:
        yield
    finally:
        try:
            platform.stop()
        except KeyboardInterrupt:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            platform.stop(at_once=True)


def sigterm_interrupts() -> None:
    """Make SIGTERM do what Ctrl-C does."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
