"""How long to wait before a process that ended is started again."""

from dataclasses import dataclass

FIRST_DELAY = 0.2
MAX_DELAY = 20.0
HEALTHY_SECONDS = 30.0
"""A process that ran this long did not fail at its start: its next restart is quick again."""


@dataclass(slots=True)
class Backoff:
    """Doubles the delay with each quick failure."""

    failures: int = 0

    def next_delay(self, uptime: float) -> float:
        """Seconds to wait after a run of `uptime` seconds."""
        self.failures = 1 if uptime >= HEALTHY_SECONDS else self.failures + 1
        return float(min(MAX_DELAY, FIRST_DELAY * 2 ** (self.failures - 1)))
