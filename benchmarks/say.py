"""What the benchmarks tell whoever waits for them."""

import sys
import time


class Say:
    """One line to standard error for each thing that happens."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()

    def __call__(self, sentence: str) -> None:
        if not self._quiet:
            print(f"{time.monotonic() - self._started:6.0f} s  {sentence}", file=sys.stderr)
