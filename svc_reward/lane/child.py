"""One evaluation's process: gives up every right, then reads its job and runs it."""

import contextlib
import fcntl
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple, NoReturn

from . import kernel, program, runner, seccomp, standby
from .roles import Role
from .settings import LaneSettings
from .wire import Limits
from .workers import CONTROL, BrokerWorkers

JOB, RESULT, LINK, FIRST_FREE = 3, 4, 4, 6
"""Descriptor 4 is an evaluation's result pipe, or a worker's link; 5 an evaluation's control."""


class Ends(NamedTuple):
    """A child's own ends of what it is connected by; `extra` become descriptors 4 and 5."""

    job: int
    output: int
    errors: int
    extra: tuple[int, ...] = ()

    @property
    def all(self) -> tuple[int, ...]:
        return (self.job, self.output, self.errors, *self.extra)


class Confinement(NamedTuple):
    """What is the same for all children of a lane, worked out before the first fork."""

    settings: LaneSettings
    address_space: int
    """Bytes that the preloaded zygote maps; a child's limit counts from there."""
    program: bytes
    """The system call filter, unless it depends on the child's pid."""
    kept: int
    """Descriptors FIRST_FREE … FIRST_FREE + kept - 1 stay open: directories of `sys.path`."""


def run(role: Role, ends: Ends, uid: int, limits: Limits, confinement: Confinement) -> NoReturn:
    """Never returns and never raises: this process must not fall back into the zygote's loop."""
    code = 70
    try:
        _take(ends, confinement.kept)
        confine(role, uid, limits, confinement)
        if role is Role.STANDBY:
            _stand_by(confinement, own_uid=bool(uid))
            role = Role.CANDIDATE
        payload = _read_all(JOB)
        os.close(JOB)
        runner.line_buffered_output()
        if role is Role.REWARD:
            _evaluate(payload, limits)
        else:
            _work(role, payload)
        code = 0
    except BaseException as error:  # noqa: BLE001
        with contextlib.suppress(BaseException):
            if role is Role.REWARD:
                _write_all(RESULT, runner.explain(error).pack())
                code = 0
            else:
                sys.stderr.write(runner.shorten(error))
    finally:
        os._exit(code)


def _evaluate(payload: bytes, limits: Limits) -> None:
    workers = None
    if limits.workers:
        workers = BrokerWorkers(socket.socket(fileno=CONTROL), limits.memory, limits.wall)
    record = runner.judge(payload, workers)
    _flush()
    _write_all(RESULT, record.pack())


def _work(role: Role, payload: bytes) -> None:
    if role is Role.RUN:
        program.serve(payload)
    from .kernels import candidate, compiler  # noqa: PLC0415 - these need torch

    serve = candidate.serve if role is Role.CANDIDATE else compiler.serve
    serve(payload, socket.socket(fileno=LINK))
    _flush()


def _stand_by(confinement: Confinement, *, own_uid: bool) -> None:
    """Get warm, wait, then become what is handed over: its limits and its descriptors."""
    from .kernels import candidate  # noqa: PLC0415 - needs torch

    candidate.stand_by("cuda" if confinement.settings.gpu else "cpu")
    channel = socket.socket(fileno=JOB)
    handed = standby.await_job(channel)
    if handed is None:
        os._exit(0)
    limits, ends = handed
    _limit(limits, confinement, own_uid=own_uid, spent=time.process_time())
    channel.detach()
    job, output, errors, link = ends
    # All of these are taken, so none of `ends` can be one of them; a context has others open.
    for end, number in ((job, JOB), (output, 1), (errors, 2), (link, LINK)):
        os.dup2(end, number)
    for end in ends:
        os.close(end)


def _take(ends: Ends, kept: int) -> None:
    """Keep our own ends as 0 to 5, and the `kept` shared ones after them; close the rest."""
    moved = [os.dup2(end, 100 + index) for index, end in enumerate(ends.all)]
    null = os.open("/dev/null", os.O_RDONLY)
    job, output, errors, *extra = moved
    for number, end in enumerate((null, output, errors, job, *extra)):
        os.dup2(end, number)
    os.closerange(4 + len(extra), FIRST_FREE)
    os.closerange(FIRST_FREE + kept, resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def confine(role: Role, uid: int, limits: Limits, confinement: Confinement) -> None:
    """Give up every right. The order matters: each step needs rights that a later one drops."""
    settings = confinement.settings
    os.setsid()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")
    if settings.nice:
        os.nice(settings.nice)
    _limit(limits, confinement, own_uid=bool(uid))
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    else:
        kernel.keep_only_capabilities()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    os.umask(0o077)
    os.chdir(settings.scratch)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # The compiler runs nothing foreign, and the assembler as a process of its own.
    alone = None if role is Role.COMPILER else os.getpid()
    seccomp.install(
        confinement.program
        or seccomp.program(seccomp.machine(), unix_sockets=settings.sealed, alone=alone)
    )


def _limit(limits: Limits, confinement: Confinement, *, own_uid: bool, spent: float = 0.0) -> None:
    cpu = standby.cpu_limit(limits, spent)
    _rlimit(resource.RLIMIT_CPU, cpu, cpu + 1)
    # CUDA maps far more addresses than it has memory.
    kind = resource.RLIMIT_DATA if confinement.settings.gpu else resource.RLIMIT_AS
    _rlimit(kind, confinement.address_space + limits.memory)
    _rlimit(resource.RLIMIT_FSIZE, limits.file)
    _rlimit(resource.RLIMIT_NOFILE, 256)
    _rlimit(resource.RLIMIT_CORE, 0)
    _rlimit(resource.RLIMIT_MSGQUEUE, 0)
    _rlimit(resource.RLIMIT_MEMLOCK, 64 << 10)
    if own_uid:  # counted per uid: a shared one is busy with other things
        _rlimit(resource.RLIMIT_NPROC, limits.processes)


def _rlimit(what: int, soft: int, hard: int | None = None) -> None:
    ceiling = resource.getrlimit(what)[1]
    wanted = soft if hard is None else hard
    top = wanted if ceiling == resource.RLIM_INFINITY else min(wanted, ceiling)
    resource.setrlimit(what, (min(soft, top), top))


def _read_all(descriptor: int) -> bytes:
    pieces: list[bytes] = []
    while piece := os.read(descriptor, 1 << 16):
        pieces.append(piece)
    return b"".join(pieces)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):
            stream.flush()


def keep_directories(directories: Sequence[int]) -> int:
    """Move directory descriptors to where children expect them; returns how many there are."""
    # Via numbers far above: the wanted ones may be in use by another of the list.
    above = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, 200) for descriptor in directories]
    for index, descriptor in enumerate(above):
        os.dup2(descriptor, FIRST_FREE + index)
    for descriptor in {*directories, *above} - set(range(FIRST_FREE, FIRST_FREE + len(above))):
        os.close(descriptor)
    return len(above)
