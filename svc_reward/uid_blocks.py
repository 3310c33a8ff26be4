"""Which uids a lane may give to its children: no two lanes of this machine share one.

Uids are global to a kernel: process limits count across containers, and outside of a pid namespace
a lane's broom would sweep another lane's children. A lock file per block settles it between
processes, and a killed owner's block is free again.
"""

import fcntl
import os
import tempfile
from pathlib import Path

from svc_reward.backend import SandboxError

FIRST = 20_000
SIZE = 256
# All of them below 65536, which is where user-namespace remapped engines end.
COUNT = 170


class UidBlock:
    """A leased block; `close` returns it."""

    def __init__(self, index: int, descriptor: int) -> None:
        self.first = FIRST + index * SIZE
        self.size = SIZE
        self._descriptor: int | None = descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def lease() -> UidBlock:
    """Take a free block.

    Raises:
        SandboxError: all are taken, or the folder of the locks is not ours.
    """
    folder = Path(tempfile.gettempdir()) / f"burnish-lane-uids-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise SandboxError(f"{folder} belongs to somebody else: remove it, or set TMPDIR")
    for turn in range(COUNT):
        index = (os.getpid() + turn) % COUNT
        descriptor = os.open(folder / str(index), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            return UidBlock(index, descriptor)
    raise SandboxError(f"{COUNT} lanes run on this machine already: lower BURNISH_REWARD_LANES")
