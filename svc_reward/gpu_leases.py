"""Which GPU a lane may use: one lane at a time, on this machine, whoever started it.

Two kernels at once on a GPU measure each other. A lock file per GPU settles it between processes, and
a killed owner's GPU is free again. Whatever else uses the GPU (an engine, a learner) is not ours to
stop: give kernels a GPU of their own.
"""

import fcntl
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from svc_reward.backend import SandboxError


class GpuLease:
    """A leased GPU; `close` returns it."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def parse(names: str) -> tuple[str, ...]:
    """GPUs by index or UUID, as the setting has them."""
    return tuple(dict.fromkeys(name.strip() for name in names.split(",") if name.strip()))


def lease(names: Sequence[str]) -> GpuLease:
    """Take a free one of `names`.

    Raises:
        SandboxError: all of them are in use.
    """
    folder = Path(tempfile.gettempdir()) / f"burnish-gpus-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise SandboxError(f"{folder} belongs to somebody else: remove it, or set TMPDIR")
    for name in names:
        descriptor = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return GpuLease(name, descriptor)
    raise SandboxError(f"all GPUs for kernels are in use: {', '.join(names)}")
