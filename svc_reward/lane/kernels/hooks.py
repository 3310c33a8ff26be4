"""What is put around a candidate before its source runs: launches, operations, fresh memory.

These hooks live in the candidate's process, so they only ever name hacks and help kernels to run;
whether an answer is right is found elsewhere, from bytes.
"""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import triton
from torch.utils._python_dispatch import TorchDispatchMode

from . import poison, shims, signatures
from .cost import Meter
from .reports import MAX_LAUNCHES, MAX_OPS, Cost, Launch, Op

MOVES = frozenset(
    """
    empty empty_like empty_strided empty_permuted new_empty new_empty_strided zeros zeros_like
    new_zeros ones ones_like new_ones full full_like new_full scalar_tensor arange eye fill fill_ zero_
    zero copy copy_ clone _to_copy to contiguous lift_fresh lift_fresh_copy resize_ set_ detach detach_
    alias cat stack constant_pad_nd _unsafe_view _reshape_alias _reshape_copy view_copy repeat
    is_same_size sym_size sym_stride sym_numel sym_storage_offset is_pinned _pin_memory record_stream
    """.split()  # noqa: SIM905 - a list of 60 literals is no better
)
"""Operations that allocate, move or cast, but do not compute. Views are known by themselves."""
ALLOCATIONS = frozenset(
    {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}
)


class Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operations that compute, and marks memory that operations leave uninitialised.

    Args:
        note: called with the operation's name and the number of elements.
        poisoned: memory is marked.
    """

    def __init__(self, note: Callable[[str, int], None], *, poisoned: bool = True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._note = note
        self._poisoned = poisoned

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.partition("::")[2]  # noqa: SLF001 - the only place where it is
        if name in ALLOCATIONS:
            if self._poisoned:
                poison.fill(result)
        elif name not in MOVES and not func.is_view:
            # What reads no tensor made its values itself, as random numbers are.
            self._note(name, _elements((args, kwargs)) or _elements(result))
        return result


class Watch:
    """All hooks of one process.

    Args:
        interpreted: kernels are interpreted on the CPU.

    Attributes:
        failed: a kernel raised during the call.
        stored: addresses of the storages of tensors that were in a launch that stored anything.
    """

    def __init__(self, *, interpreted: bool) -> None:
        self._interpreted = interpreted
        self._meter = Meter()
        self._ablated = self._bare = False
        self._ops: dict[str, list[int]] = {}
        self._known: set[Launch] = set()
        self._fresh: list[Launch] = []
        self._threads = 0
        self.failed = False
        self.stored: set[int] = set()

    def install(self) -> None:
        """Patch Triton and, where kernels are interpreted, pretend that there is a GPU."""
        if self._interpreted:
            from triton.runtime import interpreter  # noqa: PLC0415 - needless on a GPU

            shims.install()
            self._meter.install(interpreter.InterpreterBuilder)
            self._hook(interpreter.InterpretedFunction)
            _take_first_config(triton.runtime.Autotuner)
        else:
            self._hook(triton.runtime.JITFunction)
        self._threads = threading.active_count()

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Around the candidate's own code outside of calls."""
        with torch.no_grad(), self._function_mode():
            yield

    @contextlib.contextmanager
    def calling(self, *, ablated: bool) -> Iterator[None]:
        """Around one call; what it does is counted from zero."""
        self._reset()
        self._ablated = ablated
        try:
            with torch.no_grad(), self._function_mode(), Trace(self._note):
                yield
        finally:
            self._ablated = False

    @contextlib.contextmanager
    def timing(self, *, traced: bool) -> Iterator[None]:
        """Around one call against the clock.

        Launches alone are counted: on a GPU, nothing else may take the kernel's time. A traced call
        is no different to the candidate, as memory is not marked in either.

        Args:
            traced: operations are noted all the same; such a call's time is worth nothing.
        """
        self._reset()
        self._bare = not traced and not self._interpreted
        with contextlib.ExitStack() as stack:
            stack.callback(setattr, self, "_bare", False)  # noqa: FBT003 - setattr's own
            stack.enter_context(torch.no_grad())
            if not self._bare:
                stack.enter_context(self._function_mode())
            if traced:
                stack.enter_context(Trace(self._note, poisoned=False))
            yield

    @property
    def cost(self) -> Cost:
        seen = self._meter.counters
        return Cost(seen.launches, seen.loaded, seen.stored, seen.flops, seen.stores)

    @property
    def ops(self) -> tuple[Op, ...]:
        """What computed outside of kernels, the most work first."""
        found = [Op(name, max(sizes), sum(sizes)) for name, sizes in self._ops.items()]
        return tuple(sorted(found, key=lambda op: -op.total)[:MAX_OPS])

    @property
    def launches(self) -> tuple[Launch, ...]:
        """Signatures that were not seen in earlier calls."""
        return tuple(self._fresh)

    def leftovers(self) -> bool:
        """Whether threads or processes of the candidate are still there."""
        if threading.active_count() > self._threads:
            return True
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _reset(self) -> None:
        self._meter.counters.reset()
        self._ops.clear()
        self._fresh.clear()
        self.stored.clear()
        self.failed = False

    def _function_mode(self) -> shims.Reads:
        return (shims.Pretence if self._interpreted else shims.Reads)(self._note)

    def _note(self, name: str, elements: int) -> None:
        self._ops.setdefault(name, []).append(elements)

    def _hook(self, kernel: Any) -> None:
        original = kernel.run

        def run(function: Any, *args: Any, grid: Any, warmup: bool, **kwargs: Any) -> Any:
            if self._bare:
                self._meter.counters.launches += not warmup
                return original(function, *args, grid=grid, warmup=warmup, **kwargs)
            start = functools.partial(original, function, *args, grid=grid, warmup=warmup, **kwargs)
            return start() if warmup else self._launch(start, function, args, kwargs)

        kernel.run = run

    def _launch(
        self, start: Callable[[], Any], function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        self._record(signatures.of(function, args, kwargs))
        if self._ablated:
            return None
        tensors = list(_tensors((args, kwargs)))
        before = self._meter.counters.stores
        self._meter.spans = [_span(tensor) for tensor in tensors]
        try:
            # The interpreter's own bookkeeping must see tensors where they are.
            with torch._C.DisableTorchFunction():  # noqa: SLF001 - the public one keeps modes on
                result = start()
        except BaseException:
            self.failed = True
            raise
        finally:
            self._meter.spans = []
        self._meter.counters.launches += 1
        if self._meter.counters.stores > before or not self._interpreted:
            self.stored.update(tensor.untyped_storage().data_ptr() for tensor in tensors)
        return result

    def _record(self, launch: Launch | None) -> None:
        if launch is None or launch in self._known or len(self._known) >= MAX_LAUNCHES:
            return
        self._known.add(launch)
        self._fresh.append(launch)


def _take_first_config(autotuner: Any) -> None:
    """Timing configurations against each other means nothing in an interpreter, and needs a GPU."""
    original = autotuner.run

    def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        configs = self.configs
        self.nargs = dict(zip(self.arg_names, args, strict=False))
        try:
            if len(configs) > 1:
                prune = self.early_config_prune
                chosen = prune(configs, self.nargs, **kwargs) if prune else configs
                self.configs = list(chosen)[:1] or configs[:1]
            return original(self, *args, **kwargs)
        finally:
            self.configs = configs

    autotuner.run = run


def _tensors(value: Any, depth: int = 3) -> Iterator[torch.Tensor]:
    """Tensors among a launch's arguments, those in tuples and descriptors included."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()), depth)
    elif isinstance(value, list | tuple) and depth:
        for item in value:
            yield from _tensors(item, depth - 1)
    elif isinstance(base := getattr(value, "base", None), torch.Tensor):
        yield base


def _span(tensor: torch.Tensor) -> tuple[int, int]:
    storage = tensor.untyped_storage()
    return storage.data_ptr(), storage.data_ptr() + storage.nbytes()


def _elements(value: Any) -> int:
    return sum(tensor.numel() for tensor in _tensors(value))


def storages(tensors: Sequence[torch.Tensor]) -> set[int]:
    """Addresses of the memory behind tensors; empty ones have none."""
    return {tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.numel()}
