"""Runs something against the device's clock: in the candidate's process, and for baselines.

What it needs of PyTorch is bound when this module is imported, before any candidate's code runs.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

import torch

Result = TypeVar("Result")

LEAST_FLUSH = 256 << 20
"""Bytes that are written to empty a GPU's caches, at least."""
CPU_FLUSH = 4 << 20
"""The stand-in's caches do not matter: interpreting takes all the time."""

_now = time.perf_counter_ns
_Event: Any = torch.cuda.Event
_elapsed, _record = _Event.elapsed_time, _Event.record
_synchronize = torch.cuda.synchronize


class Rig:
    """Caches, streams and the clock of one device.

    Args:
        device: "cuda", or "cpu" as its stand-in.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._lines: torch.Tensor | None = None

    def flush(self) -> None:
        """Have nothing of the inputs in a cache, and nothing under way."""
        if self._lines is None:
            self._lines = torch.empty(self._size(), dtype=torch.uint8, device=self._device)
        self._lines.zero_()
        self.synchronize()

    def synchronize(self) -> None:
        """Wait for every stream of the device."""
        if self._device != "cpu":
            _synchronize()

    def run(self, call: Callable[[], Result]) -> tuple[float, Result]:
        """Milliseconds that a call takes, with all that it starts on any stream, and its result."""
        if self._device == "cpu":
            began = _now()
            result = call()
            return (_now() - began) / 1e6, result
        begin = _Event(enable_timing=True)
        end = _Event(enable_timing=True)
        _record(begin)
        result = call()
        _synchronize()
        _record(end)
        _synchronize()
        return float(_elapsed(begin, end)), result

    def bandwidth(self) -> float:
        """Bytes per millisecond of a large copy, read and written."""
        self.flush()
        lines: Any = self._lines
        other = torch.empty_like(lines)
        times = [self.run(lambda: other.copy_(lines))[0] for _ in range(5)]
        return 2 * len(lines) / max(min(times), 1e-6)

    def _size(self) -> int:
        if self._device == "cpu":
            return CPU_FLUSH
        return max(LEAST_FLUSH, 2 * torch.cuda.get_device_properties(0).L2_cache_size)
