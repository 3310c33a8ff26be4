"""Takes a lane back to how it was before an evaluation, and says whether it got there."""

import contextlib
import os
import signal
import stat
import time
from collections.abc import Collection, Iterable
from typing import NoReturn

from .settings import LaneSettings

MAX_DEPTH = 32
"""Deeper trees than any honest reward makes are left to the lane's destruction."""


class Cleaner:
    """Knows the lane's baseline.

    Args:
        settings: the lane's.
        zygotes: their pids.
    """

    def __init__(self, settings: LaneSettings, zygotes: Collection[int]) -> None:
        self._settings = settings
        self._zygotes = frozenset(zygotes)
        self._roots = (settings.scratch, *settings.swept)
        self._own = {os.getpid(), *zygotes}
        self._files = self._count_files()
        self._present = set(os.listdir(settings.scratch))

    def clean(self, uids: Collection[int], standing_by: Collection[int] = ()) -> bool:
        """Remove what an evaluation left; False if something stays.

        Args:
            uids: whom it ran as.
            standing_by: pids that belong to the next one.
        """
        if not all(uids):
            # Children that share our uid cannot start processes: the filter forbids it.
            _remove_contents(self._settings.scratch, None, keep=self._present)
            return set(os.listdir(self._settings.scratch)) == self._present
        for _ in range(20):
            self.reap()
            if self._is_clean(uids, standing_by):
                return True
            for uid in uids:
                self.kill_all_of(uid, sweep=True)
            time.sleep(0.001)
        return False

    def kill_all_of(self, uid: int, *, sweep: bool = False) -> None:
        """Kill every process of `uid` at once.

        One `kill(-1)` as that uid is atomic against fork bombs and cannot hit a reused pid. The
        broker needs no right over other uids for it.
        """
        helper = os.fork()
        if helper == 0:
            _helper(uid, self._roots if sweep else ())
        os.waitpid(helper, 0)

    def reap(self) -> None:
        """Collect orphans, which end up with us.

        Raises:
            ChildProcessError: a zygote is among the dead.
        """
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                raise ChildProcessError("a zygote died") from None
            if pid in self._zygotes:
                raise ChildProcessError("a zygote died")
            if pid == 0:
                return

    def has_processes(self, uid: int) -> bool:
        """Whether any process of the machine runs as `uid`: one call, however many there are."""
        try:
            os.getpriority(os.PRIO_USER, uid)
        except ProcessLookupError:
            return False
        return True

    def _is_clean(self, uids: Collection[int], standing_by: Collection[int]) -> bool:
        if self._settings.private_pids:
            return _pids() - set(standing_by) == self._own and self._count_files() == self._files
        if any(map(self.has_processes, uids)):
            return False
        return not any(True for uid in uids for root in self._roots for _ in _owned(root, uid))

    def _count_files(self) -> tuple[int, ...]:
        """Inodes in use on each writable file system of ours."""
        if not self._settings.private_pids:
            return ()
        return tuple((s := os.statvfs(root)).f_files - s.f_ffree for root in self._roots)


def _pids() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def _helper(uid: int, roots: Iterable[str]) -> NoReturn:
    """As `uid`: kill all of its processes, remove its files."""
    try:
        signal.alarm(5)
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        for root in roots:
            _remove_contents(root, uid)
    finally:
        os._exit(0)


def _owned(root: str, uid: int | None) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(root) as entries:
            for entry in entries:
                if uid is None or entry.stat(follow_symlinks=False).st_uid == uid:
                    yield entry
    except OSError:
        return


def _remove_contents(
    root: str, uid: int | None, *, keep: Collection[str] = (), depth: int = 0
) -> None:
    for entry in list(_owned(root, uid)):
        if entry.name in keep:
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                os.chmod(entry.path, stat.S_IRWXU)
                if depth < MAX_DEPTH:
                    _remove_contents(entry.path, None, depth=depth + 1)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
        except OSError:
            continue
