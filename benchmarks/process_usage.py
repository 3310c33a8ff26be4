"""What a set of processes and everything below them use: resident memory and CPU time."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import psutil

INTERVAL = 0.25


@dataclass(frozen=True, slots=True)
class Reading:
    """At one moment."""

    time: float
    rss: int
    """Bytes, added up: pages that processes share count once for each."""
    cpu: Mapping[str, float]
    """Seconds by root, those of processes that have ended included."""


class Usage:
    """Reads in a thread while it is open. `roots` gives the topmost processes, by name, each time."""

    def __init__(self, roots: Callable[[], Mapping[str, int]]) -> None:
        self._roots = roots
        self._cpu: dict[tuple[str, int, float], float] = {}
        self._readings: list[Reading] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, daemon=True)

    def __enter__(self) -> Self:
        self._read()  # so that there is a reading before anybody asks
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def peak_rss(self, begin: float, end: float) -> int:
        return max(each.rss for each in self._readings if begin <= each.time <= end)

    def cpu_seconds(self, begin: float, end: float) -> dict[str, float]:
        before, after = self._at(begin).cpu, self._at(end).cpu
        return {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}

    def total_cpu_seconds(self) -> float:
        """Of all roots, so far."""
        return sum(self.cpu_seconds(0, time.time()).values())

    def _at(self, moment: float) -> Reading:
        return min(self._readings, key=lambda each: abs(each.time - moment))

    def _loop(self) -> None:
        while not self._stop.wait(INTERVAL):
            self._read()

    def _read(self) -> None:
        rss = 0
        for name, process in _trees(self._roots()):
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    rss += process.memory_info().rss
                    key = name, process.pid, process.create_time()
            except psutil.Error:
                continue
            self._cpu[key] = times.user + times.system
        cpu: dict[str, float] = {}
        for (name, *_), seconds in self._cpu.items():
            cpu[name] = cpu.get(name, 0.0) + seconds
        self._readings.append(Reading(time.time(), rss, cpu))


def _trees(roots: Mapping[str, int]) -> Iterable[tuple[str, psutil.Process]]:
    seen: set[int] = set()
    for name, root in roots.items():
        try:
            top = psutil.Process(root)
            members = [top, *top.children(recursive=True)]
        except psutil.Error:
            continue
        yield from ((name, each) for each in members if each.pid not in seen)
        seen.update(each.pid for each in members)
