"""Memory of a whole lane: what the kernel killed for it, and a guard where no cgroup limits it."""

import os
import time
from collections.abc import Collection, Mapping
from typing import Protocol

_COUNTERS = ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control")
_PAGE = os.sysconf("SC_PAGESIZE")


def oom_kills() -> int:
    """Processes that the kernel has killed in this lane's cgroup (v2 or v1) so far."""
    for path in _COUNTERS:
        try:
            with open(path) as file:
                for line in file:
                    name, _, count = line.partition(" ")
                    if name == "oom_kill":
                        return int(count)
        except (OSError, ValueError):
            continue
    return 0


class Owners(Protocol):
    """Whose memory counts."""

    @property
    def uids(self) -> Collection[int]: ...


class MemoryGuard:
    """Watches the resident memory of all processes of an evaluation.

    Each process has its own limit; this is for many of them together. It samples, so it is a
    protection for the host and no exact limit.
    """

    interval = 0.1

    def __init__(self, owners: Owners, limit: int) -> None:
        self._owners = owners
        # Pages that children share with the zygote count too: private memory is not cheap to tell.
        self._limit = limit * 2
        self._next = time.monotonic() + self.interval

    def heaviest(self) -> int | None:
        """The uid that takes most, when all together take too much; None otherwise."""
        now = time.monotonic()
        if now < self._next:
            return None
        self._next = now + self.interval
        resident = self._resident()
        if sum(resident.values()) <= self._limit:
            return None
        return max(resident, key=resident.__getitem__)

    def _resident(self) -> Mapping[int, int]:
        """Bytes of each uid."""
        found = dict.fromkeys(self._owners.uids, 0)
        for name in os.listdir("/proc"):
            if not name.isdigit():
                continue
            try:
                # A process that dropped its rights shows as root's; its status tells the uid.
                with open(f"/proc/{name}/status") as file:
                    uid, resident = _parse_status(file.read())
            except OSError:
                continue
            if uid in found:
                found[uid] += resident
        return found


def _parse_status(status: str) -> tuple[int, int]:
    """Whose a process is, and the bytes that it keeps in memory."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    sizes = (int(fields.get(name, "0").split()[0]) << 10 for name in ("RssAnon", "RssShmem"))
    return int(fields["Uid"].split()[0]), sum(sizes)
