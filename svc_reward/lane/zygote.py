"""The warm process that children are forked from: has the modules, never a job's bytes."""

import gc
import importlib
import importlib.util
import os
import signal
import socket
import struct
import sys
from typing import NamedTuple, NoReturn

from . import child, kernel, runner, seccomp, warmup
from .settings import LaneSettings
from .wire import Limits, Status

ORDER = struct.Struct(">IdQQIQ")
STARTED = struct.Struct(">cI")
EXITED = struct.Struct(">cidQ")
READY, FAILED = b"R", b"F"
STARTED_MARK, EXITED_MARK = b"S", b"E"


class Exit(NamedTuple):
    """How a child ended: wait status, CPU seconds, peak resident bytes."""

    status: int
    cpu: float
    memory: int


def start(settings: LaneSettings, to_close: tuple[int, ...]) -> tuple[int, socket.socket]:
    """Fork the zygote off the broker, before the broker has seen any job.

    Returns:
        Its pid, and the socket that takes orders. The first message on it is READY or FAILED.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid:
        theirs.close()
        return pid, ours
    try:
        ours.close()
        _serve(settings, theirs, to_close)
    except BaseException as error:  # noqa: BLE001 - reported to the broker, which reports to the host
        theirs.send(FAILED + f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(1)


def order(link: socket.socket, uid: int, limits: Limits, pipes: child.Pipes) -> None:
    socket.send_fds(link, [ORDER.pack(uid, *limits)], list(pipes))


def _serve(settings: LaneSettings, link: socket.socket, to_close: tuple[int, ...]) -> NoReturn:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    null = os.open("/dev/null", os.O_RDWR)
    for descriptor in to_close:
        os.dup2(null, descriptor)
    # Above all that children number themselves.
    control = socket.socket(fileno=os.dup2(link.detach(), 64))
    kept = _open_up_path(settings)
    _preload(settings.preload)
    # Without this each child's collector copies every page that the zygote has touched.
    gc.collect()
    gc.freeze()
    own_uid = bool(settings.first_uid)
    confinement = child.Confinement(
        settings,
        _address_space(),
        seccomp.program(seccomp.machine(), unix_sockets=settings.sealed) if own_uid else b"",
        kept,
    )
    control.send(READY)
    while True:
        message, pipes, _, _ = socket.recv_fds(control, ORDER.size, 3)
        if not message:
            os._exit(0)
        uid, *limits = ORDER.unpack(message)
        _one(control, child.Pipes(*pipes), uid, Limits(*limits), confinement)


def _one(
    control: socket.socket,
    pipes: child.Pipes,
    uid: int,
    limits: Limits,
    confinement: child.Confinement,
) -> None:
    pid = os.fork()
    if pid == 0:
        child.run(pipes, uid, limits, confinement)
    for end in pipes:
        os.close(end)
    control.send(STARTED.pack(STARTED_MARK, pid))
    _, status, usage = os.wait4(pid, 0)
    cpu = usage.ru_utime + usage.ru_stime
    control.send(EXITED.pack(EXITED_MARK, status, cpu, usage.ru_maxrss * 1024))


def _open_up_path(settings: LaneSettings) -> int:
    """Let children of another uid import from where that uid may not look.

    Where the interpreter lives below a private home directory and there is no mount namespace to
    move it, its directories are opened now and named by descriptor, which needs no right to the
    directories above them.

    Returns:
        How many descriptors children have to keep.
    """
    if settings.packages and settings.path:
        sys.path += settings.path
    elif settings.packages:
        _add_own_packages()
    if not settings.first_uid or settings.sealed:
        return 0
    hidden = [entry for entry in sys.path if os.path.isdir(entry) and not _reachable(entry)]
    opened = [os.open(entry, os.O_PATH | os.O_DIRECTORY) for entry in hidden]
    kept = child.keep_directories(opened)
    names = {entry: f"/proc/self/fd/{child.FIRST_FREE + i}" for i, entry in enumerate(hidden)}
    sys.path[:] = [names.get(entry, entry) for entry in sys.path]
    for module in list(sys.modules.values()):
        if hasattr(module, "__path__"):
            module.__path__ = [_renamed(entry, names) for entry in module.__path__]
    sys.path_importer_cache.clear()
    return kept


def _renamed(path: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        if path.startswith(old + "/"):
            return new + path[len(old) :]
    return path


def _reachable(path: str) -> bool:
    """Whether any uid may enter `path`."""
    parts = os.path.realpath(path).split("/")
    ancestors = ["/".join(parts[: n + 1]) or "/" for n in range(len(parts))]
    return all(os.stat(ancestor).st_mode & 0o001 for ancestor in ancestors)


def _add_own_packages() -> None:
    """What the image's own Python would see; the interpreter was started without `site`."""
    import site  # noqa: PLC0415 - only prebuilt images need these
    import sysconfig  # noqa: PLC0415

    site.addsitedir(sysconfig.get_path("purelib"))


def _preload(modules: tuple[str, ...]) -> None:
    for name in modules:
        if importlib.util.find_spec(name) is not None:
            importlib.import_module(name)
    record = runner.judge(warmup.job(warmup.PLAIN))
    if record.status is not Status.OK:
        raise RuntimeError(record.message)
    if {"torch", "triton"} <= sys.modules.keys():
        runner.judge(warmup.job(warmup.TRITON))
    runner.shorten(ValueError("warm"))
    sys.modules.pop("reward", None)


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
