"""How long a message has been under way, and for which part of that nobody worked on it."""

import time
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp


@dataclass(slots=True)
class Stopwatch:
    """Only what passed before this process took the message is told by two machines' clocks."""

    before: float = 0.0
    """Seconds before this process took over."""
    waited: float = 0.0
    """Seconds before work began."""
    _started: float = field(default_factory=time.monotonic)

    @classmethod
    def since(cls, noted: Timestamp) -> "Stopwatch":
        """Run since `noted`, or since now if it is unset."""
        then = noted.seconds + noted.nanos / 1e9
        return cls(before=max(0.0, time.time() - then) if then else 0.0)

    @property
    def seconds(self) -> float:
        return self.before + time.monotonic() - self._started

    def begin(self) -> None:
        """Work begins now."""
        self.waited = self.seconds
