"""Which adapters are loaded, which are in use, and which goes first. No I/O."""

from collections import OrderedDict
from collections.abc import Iterator


class Residency:
    """Loaded adapters in order of use, with the number of requests that use each."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._leases: OrderedDict[str, int] = OrderedDict()

    def __contains__(self, key: str) -> bool:
        return key in self._leases

    def __iter__(self) -> Iterator[str]:
        return iter(self._leases)

    def __len__(self) -> int:
        return len(self._leases)

    def add(self, key: str) -> None:
        """`key` is loaded now, and nobody uses it yet."""
        self._leases.setdefault(key, 0)
        self._leases.move_to_end(key)

    def acquire(self, key: str) -> None:
        self._leases[key] += 1
        self._leases.move_to_end(key)

    def release(self, key: str) -> None:
        self._leases[key] -= 1
        self._leases.move_to_end(key)

    def remove(self, key: str) -> None:
        del self._leases[key]

    def surplus(self) -> list[str]:
        """Idle adapters to unload, least recently used first, until the rest fits.

        One that is in use is never among them, so the capacity may be exceeded for a while.
        """
        idle = [key for key, leases in self._leases.items() if not leases]
        return idle[: max(0, len(self._leases) - self._capacity)]
