"""How often something happens, lately."""

import time
from collections import deque

WINDOW = 30.0


class Rate:
    """Events per second over the last WINDOW seconds."""

    def __init__(self) -> None:
        self._times: deque[float] = deque()

    def count(self) -> None:
        self._times.append(time.monotonic())
        self._forget()

    def per_second(self) -> float:
        self._forget()
        return len(self._times) / WINDOW

    def _forget(self) -> None:
        oldest = time.monotonic() - WINDOW
        while self._times and self._times[0] < oldest:
            self._times.popleft()
