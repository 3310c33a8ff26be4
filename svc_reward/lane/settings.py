"""What a lane is told at start, as one JSON argument."""

import json
from typing import Any, NamedTuple, Self


class LaneSettings(NamedTuple):
    """How this lane confines its children.

    Attributes:
        preload: modules that the zygote imports, in order; a missing one is left out.
        kernels: judges Triton kernels: interprets them, and has a second zygote that compiles them.
        gpu: name of the lane's own GPU, on which its kernels run; "" interprets them.
        standby: keeps a candidate that is warm before its job is there.
        devices: device files that the lane's own mount namespace shows.
        path: extra `sys.path` entries. Empty with `packages` set: the interpreter's own.
        layer: folder of pip packages, after the standard library and before `path`; "" without any.
        packages: whether installed packages can be imported at all.
        first_uid: first uid of this lane's block; 0 when children keep the lane's uid.
        uids: size of the block.
        scratch: the directory that children may write to.
        swept: further directories that anyone can write to.
        namespaces: enter own namespaces first (a container has them already).
        private_pids: this lane is alone in its pid namespace. Follows from the two above.
        root: an existing directory that the lane's own root is mounted on.
        binds: host paths that the lane's own mount namespace shows, read-only.
        scratch_bytes: size of the scratch file system in the lane's own mount namespace.
        scratch_files: how many files it can hold.
        nice: added to the children's niceness, so that the broker keeps its deadlines.
        guard_memory: watch the children's memory from the broker, where no cgroup does.
        sealed: no part of the host's file system can be reached, so AF_UNIX is harmless.
    """

    preload: tuple[str, ...] = ()
    kernels: bool = False
    gpu: str = ""
    standby: bool = False
    devices: tuple[str, ...] = ()
    path: tuple[str, ...] = ()
    layer: str = ""
    packages: bool = False
    first_uid: int = 0
    uids: int = 1
    scratch: str = "/tmp"  # noqa: S108 - a private file system in every mode that isolates
    swept: tuple[str, ...] = ()
    namespaces: bool = False
    private_pids: bool = True
    root: str = ""
    binds: tuple[str, ...] = ()
    scratch_bytes: int = 64 << 20
    scratch_files: int = 4096
    nice: int = 0
    guard_memory: bool = False
    sealed: bool = True

    def dump(self) -> str:
        return json.dumps(self._asdict())

    @classmethod
    def parse(cls, text: str) -> Self:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in json.loads(text).items()
        }
        return cls(**fields)
