"""Counts what kernels do while Triton interprets them: bytes under the mask, and dot products.

A deterministic stand-in for cost where nothing can be timed: fewer bytes moved is what fusing
kernels buys. It is no speed, and is never called one. The same wrappers refuse accesses outside of a
launch's tensors, which on the CPU would read or write this process's heap.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

ATOMIC_TRAFFIC = 2
"""An atomic operation reads and writes."""


class OutOfBoundsError(IndexError):
    """A kernel accessed memory outside of the tensors that it was launched with."""


class Counters:
    """What was counted since the last `reset`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.launches = self.loaded = self.stored = self.flops = self.stores = 0


class Meter:
    """Wraps the interpreter's builder for the life of this process.

    Attributes:
        counters: where it counts.
        spans: first and last address of each tensor that the running launch was given. Empty:
            addresses are not checked.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self.spans: list[tuple[int, int]] = []

    def install(self, builder: type) -> None:
        """Wrap the operations of `triton.runtime.interpreter.InterpreterBuilder`."""
        wrapped: dict[str, Callable[..., Any]] = {
            "create_masked_load": self._load,
            "create_masked_store": self._store,
            "create_atomic_rmw": self._rmw,
            "create_atomic_cas": self._cas,
            "create_dot": self._dot,
            "create_int_to_ptr": self._int_to_ptr,
        }
        for name, wrap in wrapped.items():
            setattr(builder, name, wrap(getattr(builder, name)))

    def _load(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_masked_load(builder: Any, ptrs: Any, mask: Any, *rest: Any, **named: Any) -> Any:
            active = self._check(ptrs, mask.data, "load from")
            result = original(builder, ptrs, mask, *rest, **named)
            self.counters.loaded += active * result.data.itemsize
            return result

        return create_masked_load

    def _store(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_masked_store(
            builder: Any, ptrs: Any, value: Any, mask: Any, *rest: Any, **named: Any
        ) -> Any:
            active = self._check(ptrs, mask.data, "store to")
            self.counters.stored += active * value.data.itemsize
            self.counters.stores += 1
            return original(builder, ptrs, value, mask, *rest, **named)

        return create_masked_store

    def _rmw(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_atomic_rmw(
            builder: Any, op: Any, ptrs: Any, value: Any, mask: Any, *rest: Any
        ) -> Any:
            self._atomic(self._check(ptrs, mask.data, "store to"), value)
            return original(builder, op, ptrs, value, mask, *rest)

        return create_atomic_rmw

    def _cas(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_atomic_cas(
            builder: Any, ptrs: Any, expected: Any, value: Any, *rest: Any
        ) -> Any:
            everywhere = np.ones_like(ptrs.data, dtype=bool)
            self._atomic(self._check(ptrs, everywhere, "store to"), value)
            return original(builder, ptrs, expected, value, *rest)

        return create_atomic_cas

    def _atomic(self, active: int, value: Any) -> None:
        self.counters.loaded += active * value.data.itemsize
        self.counters.stored += active * value.data.itemsize
        self.counters.stores += 1

    def _dot(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_dot(builder: Any, left: Any, right: Any, *rest: Any) -> Any:
            self.counters.flops += 2 * left.data.size * right.data.shape[-1]
            return original(builder, left, right, *rest)

        return create_dot

    def _int_to_ptr(self, original: Callable[..., Any]) -> Callable[..., Any]:
        def create_int_to_ptr(builder: Any, *arguments: Any) -> Any:
            # A table of pointers, as grouped kernels use it: their targets are not arguments.
            self.spans = []
            return original(builder, *arguments)

        return create_int_to_ptr

    def _check(self, ptrs: Any, mask: Any, what: str) -> int:
        """How many lanes are active; raises if one of them points outside."""
        addresses = ptrs.data
        mask = np.broadcast_to(mask, addresses.shape)
        active = int(np.count_nonzero(mask))
        if not active or not self.spans:
            return active
        if active < addresses.size:
            addresses = addresses[mask]
        low, high = int(addresses.min()), int(addresses.max())
        size = max(1, ptrs.get_element_ty().primitive_bitwidth // 8)
        if not any(first <= low and high + size <= end for first, end in self.spans):
            self._check_each(addresses, size, what)
        return active

    def _check_each(self, addresses: Any, size: int, what: str) -> None:
        inside = np.zeros(addresses.shape, dtype=bool)
        for first, end in self.spans:
            inside |= (addresses >= first) & (addresses + np.uint64(size) <= end)
        outside = int(np.count_nonzero(~inside))
        if outside:
            raise OutOfBoundsError(f"{outside} lanes {what} memory outside of the kernel's tensors")
