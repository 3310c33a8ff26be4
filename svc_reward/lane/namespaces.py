"""A lane's own view of the machine, for lanes that no container surrounds.

Own mounts (only the interpreter and its libraries, read-only, and a small scratch), own processes,
no network, own IPC. What container engines do, in the few lines that a lane needs.
"""

import contextlib
import os
from collections.abc import Iterable

from . import kernel
from .settings import LaneSettings

_DEVICES = ("null", "zero", "full", "random", "urandom")
_HIDDEN = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_LOCKED = {os.ST_NOSUID: kernel.MS_NOSUID, os.ST_NODEV: kernel.MS_NODEV, os.ST_NOEXEC: kernel.MS_NOEXEC}  # fmt: skip


def enter(settings: LaneSettings) -> None:
    """Move this process into namespaces of its own, as their first process.

    Returns in the new init; the calling process stays outside, waits for it and exits as it does.

    Raises:
        OSError: the kernel, or a container around us, does not allow it.
    """
    flags = kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET
    flags |= kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
    uid, gid = os.getuid(), os.getgid()
    if uid != 0:
        flags |= kernel.CLONE_NEWUSER
    kernel.unshare(flags)
    if uid != 0:
        _map_root(uid, gid)
    pid = os.fork()
    if pid:
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0x7F)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 9)
    _own_root(settings)


def _map_root(uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {uid} 1"),
        ("gid_map", f"0 {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _own_root(settings: LaneSettings) -> None:
    kernel.mount("none", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    root = settings.root
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=1m,mode=0755")
    for device in (*(f"/dev/{name}" for name in _DEVICES), *settings.devices):
        _show_device(device, root)
    _mount(root, "/proc", "proc", "")
    size = f"size={settings.scratch_bytes},nr_inodes={settings.scratch_files},mode=1777"
    _mount(root, settings.scratch, "tmpfs", size)
    for path in settings.swept:
        _mount(root, path, "tmpfs", "size=8m,nr_inodes=256,mode=1777")
    # Last, so that an interpreter that lives below the scratch directory shows in it.
    for path in _without_nested(settings.binds):
        _show(path, root)
    os.chdir(root)
    kernel.pivot_root_here()
    kernel.mount("none", "/", "", kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID, "size=1m,mode=0755")  # fmt: skip


def _without_nested(paths: Iterable[str]) -> list[str]:
    """`paths` less those that another one shows already."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(path.startswith(above.rstrip("/") + "/") for above in kept):
            kept.append(path)
    return kept


def _show(path: str, root: str) -> None:
    """Make a host path visible at the same place, read-only."""
    if not os.path.lexists(path):
        return
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.islink(path):
        with contextlib.suppress(FileExistsError):
            os.symlink(os.readlink(path), target)
        return
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        _touch(target)
    kernel.mount(path, target, "", kernel.MS_BIND)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY
    flags |= kernel.MS_NOSUID | kernel.MS_NODEV
    # In a user namespace the source's own restrictions have to be repeated.
    present = os.statvfs(target).f_flag
    flags |= sum(flag for state, flag in _LOCKED.items() if present & state and not flags & flag)
    kernel.mount("none", target, "", flags)


def _show_device(path: str, root: str) -> None:
    target = root + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    _touch(target)
    kernel.mount(path, target, "", kernel.MS_BIND)


def _mount(root: str, path: str, kind: str, data: str) -> None:
    os.makedirs(root + path, exist_ok=True)
    kernel.mount(kind, root + path, kind, _HIDDEN, data)


def _touch(path: str) -> None:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
