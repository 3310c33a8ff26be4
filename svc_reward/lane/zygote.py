"""The warm process that children are forked from: has the modules, never a job's bytes.

A lane that judges kernels has two: one in which Triton interprets, and, forked off it before Triton
is imported, one in which Triton compiles.
"""

import gc
import importlib
import importlib.util
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from . import child, kernel, runner, seccomp, warmup
from .roles import Role
from .settings import LaneSettings
from .wire import LIMITS, Limits, Status

ORDER = struct.Struct(">BI" + LIMITS)
GREETING = struct.Struct(">cI")
STARTED = struct.Struct(">cI")
EXITED = struct.Struct(">cIidQ")
READY, FAILED = b"R", b"F"
STARTED_MARK, EXITED_MARK = b"S", b"E"
MAX_ENDS = 5


class Exit(NamedTuple):
    """How a child ended: pid, wait status, CPU seconds, peak resident bytes."""

    pid: int
    status: int
    cpu: float
    memory: int


class Zygote(NamedTuple):
    """One, as the broker knows it."""

    pid: int
    link: socket.socket

    def order(self, role: Role, uid: int, limits: Limits, ends: child.Ends) -> None:
        """Have a child forked; STARTED and EXITED come over the link."""
        socket.send_fds(self.link, [ORDER.pack(role, uid, *limits)], list(ends.all))


def start(settings: LaneSettings, to_close: tuple[int, ...]) -> tuple[Zygote, ...]:
    """Fork the zygotes off the broker, before the broker has seen any job.

    Blocks until they are warm.

    Raises:
        ChildProcessError: one of them did not get there; says why.
    """
    pairs = [_pair() for _ in range(2 if settings.kernels else 1)]
    pid = os.fork()
    if pid == 0:
        for ours, _ in pairs:
            ours.close()
        _become(settings, [theirs for _, theirs in pairs], to_close)
    for _, theirs in pairs:
        theirs.close()
    return tuple(_greet(ours) for ours, _ in pairs)


def _pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def _greet(link: socket.socket) -> Zygote:
    greeting = link.recv(4096)
    if greeting[:1] != READY:
        reason = greeting[1:].decode(errors="backslashreplace")
        raise ChildProcessError(reason or "the zygote died while it loaded its modules")
    return Zygote(GREETING.unpack(greeting)[1], link)


def _become(
    settings: LaneSettings, links: list[socket.socket], to_close: tuple[int, ...]
) -> NoReturn:
    # Above all that children number themselves.
    controls = [
        socket.socket(fileno=os.dup2(link.detach(), 64 + i)) for i, link in enumerate(links)
    ]
    control = controls[0]
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in to_close:
            os.dup2(null, descriptor)
        kept = _open_up_path(settings)
        _import([name for name in settings.preload if name != "triton"])
        for other in controls[1:]:
            if os.fork() == 0:
                control.close()
                control = other
                kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
                os.environ.pop("TRITON_INTERPRET", None)
                _import(["triton"])
                _warm_compiler()
                _serve(settings, control, kept)
            other.close()
        _import(settings.preload)
        _warm(settings)
        _serve(settings, control, kept)
    except BaseException as error:  # noqa: BLE001 - reported to the broker, which reports to the host
        control.send(FAILED + f"{type(error).__name__}: {error}".encode()[:2000])
    finally:
        os._exit(1)


def _serve(settings: LaneSettings, control: socket.socket, kept: int) -> NoReturn:
    # Without this each child's collector copies every page that the zygote has touched.
    gc.collect()
    gc.freeze()
    confinement = child.Confinement(
        settings,
        _address_space(),
        seccomp.program(seccomp.machine(), unix_sockets=settings.sealed)
        if settings.first_uid
        else b"",
        kept,
    )
    deaths = _deaths()
    poller = select.poll()
    for descriptor in (control.fileno(), deaths):
        poller.register(descriptor, select.POLLIN)
    control.send(GREETING.pack(READY, os.getpid()))
    while True:
        ready = {descriptor for descriptor, _ in poller.poll()}
        if deaths in ready:
            os.read(deaths, 4096)
            _report_exits(control)
        if control.fileno() in ready:
            message, ends, _, _ = socket.recv_fds(control, ORDER.size, MAX_ENDS)
            if not message:
                os._exit(0)
            _fork(control, message, ends, deaths, confinement)


def _deaths() -> int:
    """A descriptor that can be read when a child has ended."""
    readable, writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return readable


def _fork(
    control: socket.socket,
    message: bytes,
    ends: list[int],
    deaths: int,
    confinement: child.Confinement,
) -> None:
    role, uid, *limits = ORDER.unpack(message)
    job, output, errors, *extra = ends
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(deaths)
        child.run(
            Role(role),
            child.Ends(job, output, errors, tuple(extra)),
            uid,
            Limits(*limits),
            confinement,
        )
    for end in ends:
        os.close(end)
    control.send(STARTED.pack(STARTED_MARK, pid))


def _report_exits(control: socket.socket) -> None:
    while True:
        try:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        cpu = usage.ru_utime + usage.ru_stime
        control.send(EXITED.pack(EXITED_MARK, pid, status, cpu, usage.ru_maxrss * 1024))


def _open_up_path(settings: LaneSettings) -> int:
    """Let children of another uid import from where that uid may not look.

    Where the interpreter lives below a private home directory and there is no mount namespace to
    move it, its directories are opened now and named by descriptor, which needs no right to the
    directories above them.

    Returns:
        How many descriptors children have to keep.
    """
    if settings.layer:
        # After the standard library, whose modules it must not stand in for; before what is
        # installed, so that the version that was asked for is the one that is found.
        sys.path.append(settings.layer)
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


def _import(modules: Sequence[str]) -> None:
    for name in modules:
        if importlib.util.find_spec(name.partition(".")[0]) is not None:
            importlib.import_module(name)


def _warm(settings: LaneSettings) -> None:
    record = runner.judge(warmup.job(warmup.PLAIN))
    if record.status is not Status.OK:
        raise RuntimeError(record.message)
    if settings.kernels:
        from .kernels import candidate, grader  # noqa: F401, PLC0415 - children need not import it

        if not settings.gpu:  # a launch would make a context here, which no child could then use
            candidate.warm()
    elif {"torch", "triton"} <= sys.modules.keys():
        runner.judge(warmup.job(warmup.TRITON))
    runner.shorten(ValueError("warm"))
    for name in ("reward", "burnish", "burnish.sandbox"):
        sys.modules.pop(name, None)


def _warm_compiler() -> None:
    from .kernels import compiler  # noqa: PLC0415 - needs Triton

    compiler.warm()


def _address_space() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGESIZE")
