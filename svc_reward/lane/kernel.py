"""The few Linux calls that Python does not wrap."""

import ctypes
import os
from typing import NoReturn

_libc = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38

CAP_SETGID = 6
CAP_SETUID = 7
LAST_CAP = 63

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 2

_CAPABILITY_VERSION_3 = 0x20080522
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}


def _fail(what: str) -> NoReturn:
    number = ctypes.get_errno()
    raise OSError(number, f"{what}: {os.strerror(number)}")


def prctl(option: int, value: int = 0, pointer: object = None) -> None:
    unsigned = ctypes.c_ulong
    third = unsigned(0) if pointer is None else pointer
    if _libc.prctl(option, unsigned(value), third, unsigned(0), unsigned(0)) != 0:
        _fail(f"prctl({option})")


def unshare(flags: int) -> None:
    if _libc.unshare(flags) != 0:
        _fail("unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    arguments = (os.fsencode(text) for text in (source, target, kind))
    if _libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(data)) != 0:
        _fail(f"mount {target}")


def pivot_root_here() -> None:
    """Make the current directory the root, and let go of the old one (see pivot_root(2))."""
    number = _PIVOT_ROOT[os.uname().machine]
    if _libc.syscall(ctypes.c_long(number), b".", b".") != 0:
        _fail("pivot_root")
    if _libc.umount2(b".", MNT_DETACH) != 0:
        _fail("umount2")
    os.chdir("/")


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def keep_only_capabilities(*kept: int) -> None:
    """Give up every capability but `kept`, for good."""
    for capability in range(LAST_CAP + 1):
        if capability not in kept:
            try:
                prctl(PR_CAPBSET_DROP, capability)
            except OSError:  # beyond the last one that this kernel knows
                break
    mask = sum(1 << capability for capability in kept)
    header = _CapHeader(_CAPABILITY_VERSION_3, 0)
    data = (_CapData * 2)(_CapData(mask, mask, 0), _CapData(0, 0, 0))
    if _libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        _fail("capset")
