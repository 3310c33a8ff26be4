"""A system call filter that a child puts on itself, on top of whatever the engine has.

Engines' default filters differ by version (ptrace, io_uring and AF_VSOCK were each let through by
some), so nothing is left to them. A deny list, because the preloaded modules are not ours: it
names what reaches other processes, other namespaces, the network, kernel objects that outlive a
process, or large and young parts of the kernel.
"""

import ctypes
import errno
import os
import struct

from . import kernel

_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_KILL = 0x80000000
_ERRNO = 0x00050000
_ALLOW = 0x7FFF0000

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

AF_UNIX = 1
CLONE_THREAD = 0x00010000
_CLONE_NEW = 0x7E020080  # every CLONE_NEW*, CLONE_NEWTIME included

# name: (x86_64, aarch64); None where the architecture has no such call.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220),
    "clone3": (435, 435),
    "fork": (57, None),
    "vfork": (58, None),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "memfd_secret": (447, 447),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "shmget": (29, 194),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "tkill": (200, 130),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
}
_CHECKED = {
    "clone", "clone3", "fork", "vfork", "kill", "tgkill", "prlimit64", "socket", "socketpair",
}  # fmt: skip


def program(machine: str, *, unix_sockets: bool, alone: int | None = None) -> bytes:
    """Assemble the filter.

    Args:
        machine: as `os.uname` names it.
        unix_sockets: whether `socket` may make AF_UNIX ones; `socketpair` always may.
        alone: the child's pid when it shares its uid with others. It then may not start processes
            or touch other ones, since the kernel would not stop it.

    Raises:
        OSError: no table for this machine.
    """
    if machine not in _ARCH:
        raise OSError(errno.ENOSYS, f"no system call table for {machine}")
    numbers = {
        name: number
        for name, pair in _NUMBERS.items()
        if (number := pair[list(_ARCH).index(machine)]) is not None
    }
    code = [
        _op(_LOAD, _ARCHITECTURE),
        _op(_JEQ, _ARCH[machine], 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        code += [_op(_JGE, _X32_BIT, 0, 1), _op(_RETURN, _KILL)]
    for name, number in numbers.items():
        if name not in _CHECKED:
            code += _deny(number)
    # glibc falls back to clone, whose flags can be checked.
    code += _deny(numbers["clone3"], errno.ENOSYS)
    code += _unless_argument(numbers["socketpair"], 0, AF_UNIX)
    code += (
        _unless_argument(numbers["socket"], 0, AF_UNIX)
        if unix_sockets
        else _deny(numbers["socket"])
    )
    code += _clone(numbers["clone"], threads_only=alone is not None)
    if alone is not None:
        for name in ("fork", "vfork"):
            if name in numbers:
                code += _deny(numbers[name])
        for name in ("kill", "tgkill"):
            code += _unless_argument(numbers[name], 0, alone)
        code += _unless_argument(numbers["prlimit64"], 0, 0)
    code.append(_op(_RETURN, _ALLOW))
    return b"".join(code)


def install(code: bytes) -> None:
    """Put the filter on this thread and its descendants, for good. Needs no_new_privs."""
    buffer = ctypes.create_string_buffer(code, len(code))
    head = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(head, len(head))
    kernel.prctl(kernel.PR_SET_SECCOMP, 2, ctypes.byref(pointer))


def machine() -> str:
    return os.uname().machine


def _op(code: int, value: int, on_true: int = 0, on_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, on_true, on_false, value)


def _deny(number: int, error: int = errno.EPERM) -> list[bytes]:
    return [_op(_JEQ, number, 0, 1), _op(_RETURN, _ERRNO | error)]


def _unless_argument(number: int, index: int, value: int) -> list[bytes]:
    """Deny call `number` unless its (32-bit) argument `index` equals `value`."""
    return [
        _op(_JEQ, number, 0, 4),
        _op(_LOAD, _ARGUMENTS + 8 * index),
        _op(_JEQ, value, 1, 0),
        _op(_RETURN, _ERRNO | errno.EPERM),
        _op(_RETURN, _ALLOW),
    ]


def _clone(number: int, *, threads_only: bool) -> list[bytes]:
    """No new namespaces; with `threads_only`, no new processes either."""
    checks = [_op(_JSET, _CLONE_NEW, 0, 1), _op(_RETURN, _ERRNO | errno.EPERM)]
    if threads_only:
        checks += [_op(_JSET, CLONE_THREAD, 1, 0), _op(_RETURN, _ERRNO | errno.EPERM)]
    return [
        _op(_JEQ, number, 0, len(checks) + 2),
        _op(_LOAD, _ARGUMENTS),
        *checks,
        _op(_RETURN, _ALLOW),
    ]
