"""How glibc hands memory to services that compute.

Left alone it takes every large tensor from the kernel and gives it back, page by page, half a million
times a step: 15 % of a training step's CPU time here. Kept memory costs nothing: the next
step wants as much again. One arena, because the main thread and the computing one take turns.
"""

from collections.abc import Mapping

_NEVER = str(8 << 30)

SERVICES = frozenset({"learner", "serve"})

KEEP_MEMORY: Mapping[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": _NEVER,
    "MALLOC_TRIM_THRESHOLD_": _NEVER,
    "MALLOC_TOP_PAD_": str(64 << 20),
    "MALLOC_ARENA_MAX": "1",
}
"""Environment of the process; other C libraries ignore it."""


def environment(service: str) -> Mapping[str, str]:
    return KEEP_MEMORY if service in SERVICES else {}
