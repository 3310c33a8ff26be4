"""Lanes as local processes, for machines without a container engine.

The same lane program confines itself as far as the kernel and our own rights allow. What it could
not do is said in `describe`, and `isolation` is "process" only if each evaluation has a uid of its
own.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.logs import get_logger
from svc_reward import gpu_leases, packages, uid_blocks
from svc_reward.backend import (
    LANE_FOLDER,
    LOG_BYTES,
    PYTHON_FLAGS,
    SandboxError,
    SocketStream,
)
from svc_reward.config import RewardSettings
from svc_reward.contract import LaneClass
from svc_reward.host_interpreter import environment, interpreter
from svc_reward.lane.settings import LaneSettings
from svc_reward.warm_lane import WarmLane

log = get_logger(__name__)

PREFIX = "burnish-lanes-"
_SHARED = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 - swept for what children left there
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/etc/ld.so.cache")


@dataclass(frozen=True, slots=True)
class Mode:
    """What a lane gets on this machine."""

    own_uids: bool
    namespaces: bool


_AS_ROOT = (Mode(own_uids=True, namespaces=True), Mode(own_uids=True, namespaces=False))
_ELSE = (Mode(own_uids=False, namespaces=True), Mode(own_uids=False, namespaces=False))


class ProcessBackend:
    """Launches lanes as children of this process.

    Args:
        settings: the operator's.
        modes: to try, best first. Default: all that may work here.

    Raises:
        SandboxError: lanes do not start in any mode.
    """

    def __init__(self, settings: RewardSettings, modes: Sequence[Mode] = ()) -> None:
        self._settings = settings
        _remove_abandoned()
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._folder.chmod(0o711)
        self._lock = _lock(self._folder)
        (self._folder / "root").mkdir()
        self._mode = Mode(own_uids=False, namespaces=False)
        try:
            self._choose(modes or (_AS_ROOT + _ELSE if os.geteuid() == 0 else _ELSE))
        except SandboxError:
            self.close()
            raise

    @property
    def isolation(self) -> str:
        return "process" if self._mode.own_uids else "process-unsafe"

    @property
    def image(self) -> str:
        return ""

    def describe(self) -> Mapping[str, str]:
        return {
            "sandbox": self.isolation,
            "namespaces": "own" if self._mode.namespaces else "shared",
            "uids": "one per evaluation" if self._mode.own_uids else "shared",
        }

    def launch(self, lane_class: LaneClass) -> "ProcessLane":
        held = contextlib.ExitStack()
        try:
            block = uid_blocks.lease() if self._mode.own_uids else None
            if block is not None:
                held.enter_context(contextlib.closing(block))
            gpu = self._lease_gpu(held) if lane_class.gpu else ""
            scratch = Path(tempfile.mkdtemp(prefix="scratch-", dir=self._folder))
            held.callback(shutil.rmtree, scratch, ignore_errors=True)
            scratch.chmod(0o1777)
            return ProcessLane(self._lane_settings(lane_class, block, scratch, gpu), held)
        except OSError as error:
            held.close()
            raise SandboxError(f"a lane process did not start: {error}") from error
        except SandboxError:
            held.close()
            raise

    def _lease_gpu(self, held: contextlib.ExitStack) -> str:
        lease = gpu_leases.lease(gpu_leases.parse(self._settings.lane_gpus))
        return held.enter_context(contextlib.closing(lease)).name

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _choose(self, modes: Sequence[Mode]) -> None:
        for index, mode in enumerate(modes):
            self._mode = mode
            try:
                WarmLane.start(self, LaneClass()).close()
            except SandboxError as error:
                if index == len(modes) - 1:
                    raise
                log.info("sandbox.mode_refused", mode=str(mode), reason=str(error))
            else:
                return

    def _lane_settings(
        self, lane_class: LaneClass, block: uid_blocks.UidBlock | None, scratch: Path, gpu: str
    ) -> LaneSettings:
        python = interpreter()
        limits = self._settings.limits(lane_class.limits, packages=lane_class.packages)
        namespaces = self._mode.namespaces
        layer = packages.site(self._settings.reward_packages, lane_class.layer)
        shown = (python.prefix, python.library, python.packages, LANE_FOLDER)
        parents = {str(path.parent) for path in python.shared}
        return LaneSettings(
            preload=lane_class.preload,
            kernels=lane_class.kernels,
            gpu=gpu,
            standby=lane_class.standby,
            devices=tuple(map(str, sorted(Path("/dev").glob("nvidia*[!s]")))) if gpu else (),
            packages=lane_class.packages,
            layer=layer,
            path=(str(python.packages),),
            first_uid=block.first if block else 0,
            uids=uid_blocks.SIZE,
            scratch="/tmp" if namespaces else str(scratch),  # noqa: S108 - its own tmpfs
            swept=("/dev/shm",) if namespaces else _SHARED if block else (),  # noqa: S108
            namespaces=namespaces,
            private_pids=namespaces,
            root=str(self._folder / "root"),
            binds=tuple(map(str, shown))
            + _SYSTEM
            + ((layer,) if layer else ())
            + tuple(sorted(parents)),
            scratch_bytes=limits.file,
            guard_memory=True,
            sealed=namespaces,
        )


class ProcessLane:
    """One lane's outermost process, and the socket that is its standard input and output."""

    def __init__(self, lane: LaneSettings, held: contextlib.ExitStack) -> None:
        self._held = held
        self._own_uids = bool(lane.first_uid)
        self._strays = range(lane.first_uid, lane.first_uid + lane.uids)
        self._private_pids = lane.private_pids
        self._killed = threading.Lock()
        self._last_words = ""
        # One thread may end the lane while another asks what it said.
        self._reading = threading.Lock()
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the lane
        ours, theirs = socket.socketpair()
        pipe = theirs.fileno()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [str(interpreter().executable), *PYTHON_FLAGS, str(LANE_FOLDER), lane.dump()],
                stdin=pipe,
                stdout=pipe,
                stderr=self._errors,
                cwd="/",
                env=environment(lane.scratch, gpu=lane.gpu) | _visible(lane.gpu),
                start_new_session=True,
            )
        except OSError:
            ours.close()
            self._errors.close()
            raise
        finally:
            theirs.close()
        self._stream = SocketStream(ours)

    def send(self, data: bytes, deadline: float) -> None:
        self._stream.send(data, deadline)

    def receive(self, count: int, deadline: float) -> bytes:
        return self._stream.receive(count, deadline)

    def log(self) -> str:
        with self._reading:
            return self._last_words if self._errors.closed else self._tail()

    def _tail(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - LOG_BYTES))
        return self._errors.read().decode(errors="backslashreplace")

    def kill(self) -> None:
        if not self._killed.acquire(blocking=False):
            return
        self._process.kill()
        self._process.wait()
        self._stream.close()
        with self._reading:
            self._last_words = self._tail()
            self._errors.close()
        if self._own_uids and not self._private_pids:
            _kill_uids(self._strays)
        self._held.close()


def _visible(gpu: str) -> dict[str, str]:
    """With no container around it, a lane sees its own GPU by being told of no other."""
    return {"CUDA_VISIBLE_DEVICES": gpu} if gpu else {}


def _lock(folder: Path) -> int | None:
    """Hold `folder` for as long as this process lives; None if somebody else does."""
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_abandoned() -> None:
    """Remove folders of services that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        # Others' folders, and those that are just being made, are not ours to touch.
        with contextlib.suppress(OSError):
            if (folder / "lock").exists() and (held := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(held)


def _kill_uids(uids: range) -> None:
    """End what a dead lane has left: nobody else runs under its uids."""
    for _ in range(20):
        strays = [pid for pid in _pids() if _uid_of(pid) in uids]
        if not strays:
            return
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _uid_of(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ESRCH}:
            return -1
        raise
    line = next(line for line in status.splitlines() if line.startswith("Uid:"))
    return -1 if "\nState:\tZ" in status else int(line.split()[1])
