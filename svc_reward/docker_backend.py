"""Lanes as containers of a Docker Engine."""

import contextlib
import socket
import struct
import threading
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from burnish import docker_engine
from burnish.logs import get_logger
from svc_reward import gpu_leases, lane_image, uid_blocks
from svc_reward import packages as pip_packages
from svc_reward.backend import (
    LOG_BYTES,
    PYTHON_FLAGS,
    SandboxError,
    SocketStream,
)
from svc_reward.config import MIB, RewardSettings
from svc_reward.contract import LaneClass
from svc_reward.host_interpreter import environment, interpreter
from svc_reward.lane.settings import LaneSettings

if TYPE_CHECKING:
    import docker
    from docker.models.containers import Container

log = get_logger(__name__)

API_SECONDS = 60
SCRATCH = "/tmp"  # noqa: S108 - a tmpfs of the container's own
PACKAGES = "/opt/site-packages"
LAYER = "/opt/reward-packages"
OWNER = "burnish.lane.owner"
HOST = "burnish.lane.host"
_HEADER = struct.Struct(">BxxxI")
_STDOUT = 1
_ATTACH = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
_CALLS = threading.BoundedSemaphore(8)
"""The SDK keeps the connections of its newest 25 URLs, ten of each, and closes others in use."""
_REQUIRED = {
    "MemoryLimit": "memory",
    "PidsLimit": "process",
    "CpuCfsQuota": "CPU",
}


class DockerBackend:
    """Launches lanes on the engine that DOCKER_HOST names.

    Raises:
        SandboxError: no engine answers, or it cannot enforce what lanes rely on.
    """

    isolation = "docker"

    def __init__(self, settings: RewardSettings) -> None:
        self._settings = settings
        self._client, info = _connect()
        self._version = str(info.get("ServerVersion", "unknown"))
        self._cgroup = str(info.get("CgroupVersion", "1"))
        self._owner = uuid.uuid4().hex
        self._alive = _hold_owner_lock(self._owner)
        try:
            _check(info)
            _check_runtime(info, settings.lane_runtime)
            self._remove_orphans()
            self._image = settings.lane_image or self._build()
            self._digest = self._image_id()
        except SandboxError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise SandboxError(f"the lane image cannot be made: {error}") from error

    @property
    def image(self) -> str:
        return self._digest

    def describe(self) -> Mapping[str, str]:
        return {
            "sandbox": "docker",
            "engine": self._version,
            "cgroup": f"v{self._cgroup}",
            "image": self._digest,
            "runtime": self._settings.lane_runtime or "default",
        }

    def launch(self, lane_class: LaneClass) -> "DockerLane":
        with _CALLS:
            return self._launch(lane_class)

    def _launch(self, lane_class: LaneClass) -> "DockerLane":
        held = contextlib.ExitStack()
        container: Container | None = None
        try:
            block = held.enter_context(contextlib.closing(uid_blocks.lease()))
            gpu = self._lease_gpu(held) if lane_class.gpu else ""
            container = self._create(lane_class, block.first, gpu)
            # Before the start, or what the lane says first is lost.
            stream = container.attach_socket(params=_ATTACH)
            container.start()
        except Exception as error:
            if container is not None:
                _remove(container)
            held.close()
            if isinstance(error, SandboxError):
                raise
            raise SandboxError(f"the Docker Engine did not start a lane: {error}") from error
        return DockerLane(container, stream, held)

    def _lease_gpu(self, held: contextlib.ExitStack) -> str:
        lease = gpu_leases.lease(gpu_leases.parse(self._settings.lane_gpus))
        return held.enter_context(contextlib.closing(lease)).name

    def close(self) -> None:
        with contextlib.suppress(Exception):
            self._client.close()
        self._alive.close()

    def _create(self, lane_class: LaneClass, first_uid: int, gpu: str) -> "Container":
        import docker.errors  # noqa: PLC0415

        try:
            return self._client.containers.create(**self._options(lane_class, first_uid, gpu))
        except docker.errors.ImageNotFound:
            # Somebody pruned it. A prebuilt one is not ours to make.
            self._image = self._settings.lane_image or self._build()
            return self._client.containers.create(**self._options(lane_class, first_uid, gpu))

    def _build(self) -> str:
        return lane_image.ensure(self._client, interpreter())

    def _options(self, lane_class: LaneClass, first_uid: int, gpu: str) -> dict[str, Any]:
        from docker.types import DeviceRequest, LogConfig, Mount, Ulimit  # noqa: PLC0415

        prebuilt = bool(self._settings.lane_image)
        limits = self._settings.limits(lane_class.limits, packages=lane_class.packages)
        packages = (PACKAGES,) if lane_class.packages and not prebuilt else ()
        layer = pip_packages.site(self._settings.reward_packages, lane_class.layer)
        shown = {path: str(interpreter().packages) for path in packages}
        shown |= {LAYER: layer} if layer else {}
        lane = LaneSettings(
            preload=lane_class.preload,
            kernels=lane_class.kernels,
            gpu=gpu,
            standby=lane_class.standby,
            packages=lane_class.packages,
            layer=LAYER if layer else "",
            path=packages,
            first_uid=first_uid,
            uids=uid_blocks.SIZE,
            scratch=SCRATCH,
            swept=("/dev/shm",),  # noqa: S108
            nice=10,
        )
        # The broker, the zygote and its modules, and the scratch file system count as well.
        own = 1024 * MIB if lane_class.preload else 128 * MIB
        # A grader of kernels, the candidate and the compiler run side by side.
        own += 2 * limits.memory if lane_class.kernels else 0
        memory = limits.memory + limits.file + own
        python = "python3" if prebuilt else str(interpreter().executable)
        library_path = "" if prebuilt else interpreter().library_path
        # Triton loads the helper library that it builds for the GPU from its cache.
        exec_or_not = "exec" if gpu else "noexec"
        tmpfs = f"rw,nosuid,nodev,{exec_or_not},size={limits.file},nr_inodes=4096,mode=1777"
        return {
            "image": self._image,
            "entrypoint": [python, *PYTHON_FLAGS, lane_image.LANE_PATH],
            "command": [lane.dump()],
            "environment": environment(SCRATCH, library_path, gpu=gpu),
            "mounts": [
                Mount(path, source, type="bind", read_only=True) for path, source in shown.items()
            ],
            "device_requests": [
                DeviceRequest(driver="nvidia", device_ids=[gpu], capabilities=[["gpu"]])
            ]
            if gpu
            else None,
            "user": "0:0",
            "working_dir": "/",
            "network_mode": "none",
            "read_only": True,
            "tmpfs": {SCRATCH: tmpfs},
            "mem_limit": memory,
            "memswap_limit": memory,
            "pids_limit": 2 * limits.processes + 16,
            "nano_cpus": 1_000_000_000,
            "cap_drop": ["ALL"],
            "cap_add": ["SETUID", "SETGID"],
            "security_opt": ["no-new-privileges:true"],
            "ipc_mode": "private",
            "shm_size": 8 * MIB,
            "ulimits": [Ulimit(name="core", soft=0, hard=0)],
            "init": False,
            "stdin_open": True,
            "auto_remove": True,
            "log_config": LogConfig(type="none"),
            "runtime": self._settings.lane_runtime or None,
            "labels": {OWNER: self._owner, HOST: _host()},
        }

    def _image_id(self) -> str:
        import docker.errors  # noqa: PLC0415

        try:
            return str(self._client.images.get(self._image).id)
        except docker.errors.ImageNotFound:
            raise SandboxError(
                f"the Docker Engine has no image {self._image}: build it, or unset "
                "BURNISH_LANE_IMAGE to have one made from this interpreter"
            ) from None

    def _remove_orphans(self) -> None:
        """Lanes end with their service, but a lost connection can leave one behind."""
        mine = {"label": [OWNER, f"{HOST}={_host()}"]}
        for container in self._client.containers.list(all=True, filters=mine):
            owner = container.labels.get(OWNER, "")
            if not _owner_lives(owner):
                log.info("lane.orphan", container=container.short_id)
                _remove(container)


class DockerLane:
    """One container, and the stream that is attached to it."""

    def __init__(
        self,
        container: "Container",
        attached: object,
        held: contextlib.ExitStack,
    ) -> None:
        self._container = container
        self._attached = attached  # holds the connection that the raw socket belongs to
        raw = cast("socket.socket", getattr(attached, "_sock", attached))
        self._stream = SocketStream(raw)
        self._held = held
        self._buffer = bytearray()
        self._log = bytearray()
        self._killed = threading.Lock()

    def send(self, data: bytes, deadline: float) -> None:
        self._stream.send(data, deadline)

    def receive(self, count: int, deadline: float) -> bytes:
        while len(self._buffer) < count:
            self._receive_frame(deadline)
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    def log(self) -> str:
        with contextlib.suppress(Exception):  # whatever is still on its way
            until = time.monotonic() + 0.2
            while True:
                self._receive_frame(until)
        return self._log.decode(errors="backslashreplace")

    def kill(self) -> None:
        if not self._killed.acquire(blocking=False):
            return
        with _CALLS:
            _remove(self._container)
        self._stream.close()
        with contextlib.suppress(Exception):
            self._attached.close()  # type: ignore[attr-defined]
        self._held.close()

    def _receive_frame(self, deadline: float) -> None:
        """One frame of the engine's multiplexed stream (Docker API, `/containers/{id}/attach`)."""
        stream, length = _HEADER.unpack(self._stream.receive(_HEADER.size, deadline))
        data = self._stream.receive(length, deadline)
        if stream == _STDOUT:
            self._buffer += data
        else:
            self._log = (self._log + data)[-LOG_BYTES:]


def _connect() -> tuple["docker.DockerClient", dict[str, Any]]:
    try:
        client = docker_engine.connect(API_SECONDS)
        return client, dict(client.info())
    except ImportError:
        raise SandboxError(
            "the docker package is not installed: `pip install 'burnish[reward]'`"
        ) from None
    except Exception as error:
        raise SandboxError(
            f"no Docker Engine answers at {docker_engine.address()}: start one, point DOCKER_HOST "
            "to one, or set BURNISH_SANDBOX=process for development"
        ) from error


def _check(info: Mapping[str, Any]) -> None:
    """Refuse an engine that does not enforce its flags."""
    for field, what in _REQUIRED.items():
        if not info.get(field):
            raise SandboxError(
                f"this Docker Engine enforces no {what} limit ({field} is off): enable that "
                "cgroup controller"
            )
    options = " ".join(info.get("SecurityOptions") or ())
    if "seccomp" not in options:
        raise SandboxError("this Docker Engine has no seccomp: use one that has")


def _check_runtime(info: Mapping[str, Any], name: str) -> None:
    known = sorted(info.get("Runtimes") or ())
    if name and name not in known:
        raise SandboxError(
            f"this Docker Engine has no runtime {name!r} (it has {', '.join(known)}): add it to the "
            "engine's daemon.json, or change BURNISH_LANE_RUNTIME"
        )


def _remove(container: "Container") -> None:
    # It may be gone, or going, by itself.
    with contextlib.suppress(Exception):
        container.remove(force=True)


def _host() -> str:
    """Where the names of living owners are visible: this network namespace of this machine."""
    return f"{socket.gethostname()}-{Path('/proc/self/ns/net').stat().st_ino}"


def _owner_address(owner: str) -> str:
    return f"\0burnish-lanes-{owner}"


def _hold_owner_lock(owner: str) -> socket.socket:
    """Hold a name that exists for exactly as long as this process does."""
    held = socket.socket(socket.AF_UNIX)
    held.bind(_owner_address(owner))
    return held


def _owner_lives(owner: str) -> bool:
    probe = socket.socket(socket.AF_UNIX)
    try:
        probe.bind(_owner_address(owner))
    except OSError:
        return True
    finally:
        probe.close()
    return False
