"""Tokens per second, over the recent time in which there was work."""

import threading
import time
from collections import deque

WINDOW_SECONDS = 30.0


class Rate:
    """A sliding window of (when, tokens, busy seconds). Any thread may add or read."""

    def __init__(self) -> None:
        self._steps: deque[tuple[float, int, float]] = deque()
        self._lock = threading.Lock()

    def add(self, tokens: int, seconds: float) -> None:
        """Count one step's tokens and how long it took."""
        with self._lock:
            self._steps.append((time.monotonic(), tokens, seconds))
            self._trim()

    def per_second(self) -> float:
        """0 when nothing happened within the window."""
        with self._lock:
            self._trim()
            seconds = sum(busy for _, _, busy in self._steps)
            return sum(tokens for _, tokens, _ in self._steps) / seconds if seconds else 0.0

    def _trim(self) -> None:
        oldest = time.monotonic() - WINDOW_SECONDS
        while self._steps and self._steps[0][0] < oldest:
            self._steps.popleft()
