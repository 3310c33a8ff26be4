"""Lets code written for a GPU run in a process that has none, where Triton interprets kernels.

Models assert `x.is_cuda`, allocate with `device="cuda"`, enter `torch.cuda.device(...)` or ask for the
number of multiprocessors. All of that is harmless, and none of it says anything about a kernel.
"""

import contextlib
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch
import triton
from torch.overrides import TorchFunctionMode

from . import bfloat16, libdevice

DEVICE = torch.device("cuda", 0)
"""Where tensors claim to be."""
MULTIPROCESSORS = 4
"""Few, so that persistent kernels start few programs."""
UNSEEN = frozenset({"tolist", "numpy", "__array__", "apply_", "map_", "map2_"})
"""Methods that read a tensor's values without an operation that a dispatch mode sees."""

_MOVES = {torch.Tensor.cuda, torch.Tensor.cpu}
_DEVICE = torch.Tensor.device.__get__
_IS_CUDA = torch.Tensor.is_cuda.__get__  # type: ignore[attr-defined]


class Reads(TorchFunctionMode):
    """Notes when values are read by Python.

    Args:
        note: called with the method's name and the tensor's number of elements.
    """

    def __init__(self, note: Callable[[str, int], None]) -> None:
        super().__init__()
        self._note = note

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in UNSEEN:
            self._note(name, args[0].numel())
        return func(*args, **(kwargs or {}))


class Pretence(Reads):
    """Besides, tensors seem to be on a GPU, and requests for one are met on the CPU."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func == _IS_CUDA:
            return True
        if func == _DEVICE:
            return DEVICE
        if func in _MOVES:
            return args[0]
        if func == torch.Tensor.get_device:
            return DEVICE.index
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        if kwargs and "device" in kwargs:
            kwargs = {**kwargs, "device": _real(kwargs["device"])}
        if any(isinstance(value, str | torch.device) for value in args):
            args = tuple(
                _real(value) if isinstance(value, str | torch.device) else value for value in args
            )
        return super().__torch_function__(func, types, args, kwargs)


def _real(value: object) -> object:
    """The CPU instead of a GPU; anything else as it is."""
    if isinstance(value, torch.device):
        return torch.device("cpu") if value.type == "cuda" else value
    if isinstance(value, int) or (isinstance(value, str) and value.partition(":")[0] == "cuda"):
        return "cpu"
    return value


def properties(*_: object) -> types.SimpleNamespace:
    """As `torch.cuda.get_device_properties` has them."""
    return types.SimpleNamespace(
        name="interpreter",
        major=9,
        minor=0,
        multi_processor_count=MULTIPROCESSORS,
        total_memory=1 << 32,
        warp_size=32,
        shared_memory_per_block=48 << 10,
        shared_memory_per_block_optin=227 << 10,
        shared_memory_per_multiprocessor=228 << 10,
        max_threads_per_multi_processor=2048,
        regs_per_multiprocessor=65536,
        L2_cache_size=50 << 20,
    )


@contextlib.contextmanager
def _guard(*_: object) -> Iterator[None]:
    yield


class Stream:
    """The only stream there is: whatever was put into it is done."""

    cuda_stream = 0
    device = DEVICE

    def synchronize(self) -> None:
        """Nothing is pending."""

    def wait_stream(self, *_: object) -> None:
        """There is no other."""

    wait_event = wait_stream

    def query(self) -> bool:
        return True


class Event:
    """A point of that stream. What lies between two of them says nothing: it takes no time."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def record(self, *_: object) -> None:
        """Reached at once."""

    wait = synchronize = record

    def query(self) -> bool:
        return True

    def elapsed_time(self, _: "Event") -> float:
        return 0.0


class _Driver:
    """What code asks `triton.runtime.driver.active` for."""

    def __init__(self) -> None:
        self.utils = types.SimpleNamespace(
            get_device_properties=lambda *_: {
                "multiprocessor_count": MULTIPROCESSORS,
                "max_shared_mem": 227 << 10,
                "max_num_regs": 65536,
                "warpSize": 32,
                "sm_clock_rate": 1_000_000,
                "mem_clock_rate": 1_000_000,
                "mem_bus_width": 4096,
            }
        )

    def get_active_torch_device(self) -> torch.device:
        return DEVICE

    def get_current_device(self) -> int:
        return 0

    def get_current_target(self) -> Any:
        from triton.backends.compiler import GPUTarget  # noqa: PLC0415 - few ask for it

        return GPUTarget("cuda", 90, 32)


def install() -> None:
    """Patch this process's `torch.cuda`, and Triton's interpreter where it has gaps."""
    bfloat16.install()
    libdevice.install()
    cuda: Any = torch.cuda
    stream = Stream()
    cuda.current_stream = cuda.default_stream = lambda *_, **__: stream
    cuda.Event = Event
    cuda.device = cuda.device_of = _guard
    cuda.is_available = lambda: True
    cuda.device_count = lambda: 1
    cuda.current_device = lambda: 0
    cuda.set_device = cuda.synchronize = lambda *_, **__: None
    cuda.empty_cache = cuda.init = lambda: None
    cuda.nvtx.range_push = cuda.nvtx.range_pop = cuda.nvtx.mark = lambda *_: None
    cuda.get_device_properties = properties
    cuda.get_device_capability = lambda *_: (9, 0)
    cuda.get_device_name = lambda *_: "interpreter"
    triton.runtime.driver.set_active(_Driver())
