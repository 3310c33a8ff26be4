"""What of this machine a lane needs in order to run Python: interpreter, library, packages."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from svc_reward.contract import PRELOADABLE

SKIPPED = frozenset(
    {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "site-packages", "dist-packages"}
)  # fmt: skip
"""Parts of the standard library that no reward needs."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The running interpreter.

    Attributes:
        executable: its real file, outside of any virtual environment.
        prefix: where it is installed.
        library: folder of the standard library.
        packages: folder of installed packages.
        shared: every shared object that these need from elsewhere, as the loader names it.
    """

    executable: Path
    prefix: Path
    library: Path
    packages: Path
    shared: tuple[Path, ...]

    @property
    def library_path(self) -> str:
        """LD_LIBRARY_PATH with which the loader finds `shared`."""
        return ":".join(sorted({str(path.parent) for path in self.shared}))


def is_needed(path: Path, library: Path) -> bool:
    """Whether a file of the standard library has a use in a lane."""
    parts = path.relative_to(library).parts
    return (
        not SKIPPED.intersection(parts)
        and not parts[0].startswith("config-")
        and not path.name.startswith(("_tkinter.", "_test"))
    )


@cache
def interpreter() -> Interpreter:
    """Look around once."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    executable = Path(base).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    packages = Path(sysconfig.get_path("purelib"))
    extensions = [path for path in library.glob("lib-dynload/*.so") if is_needed(path, library)]
    shared = _closure([executable, *extensions, *_package_objects()])
    outside = tuple(path for path in shared if packages not in path.parents)
    return Interpreter(executable, Path(sys.base_prefix), library, packages, outside)


def _package_objects() -> Iterable[Path]:
    """The objects of preloadable packages that need the system's libraries."""
    for name in PRELOADABLE:
        spec = importlib.util.find_spec(name)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            root = Path(folder)
            yield from root.glob("lib/*.so")
            yield from root.glob("_C/*.so")
            yield from root.glob("_C.*.so")
            yield from root.glob("_core/*.so")


def _closure(objects: Iterable[Path]) -> tuple[Path, ...]:
    """The loader's own answer to what `objects` need."""
    listed = subprocess.run(  # noqa: S603 - our own interpreter's files
        ["ldd", *(str(path) for path in objects)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
    )
    found = {Path(path) for line in listed.stdout.splitlines() if (path := _resolved(line))}
    return tuple(sorted(found))


def _resolved(line: str) -> str | None:
    """The path in a line such as `libm.so.6 => /lib/libm.so.6 (0x7f…)` or `/lib64/ld.so (0x…)`."""
    if "(0x" not in line:
        return None
    target = line.rsplit("=>", maxsplit=1)[-1].split("(0x", maxsplit=1)[0].strip()
    return target if target.startswith("/") else None


_INTERPRETED = {"TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""}
# The zygote must be able to ask for GPUs without making a context, which no child could then use.
_ON_GPU = {
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
    # Files of a process that waits for its job would look like an evaluation's leftovers.
    "CUDA_CACHE_DISABLE": "1",
}


def environment(scratch: str, library_path: str = "", *, gpu: str = "") -> dict[str, str]:
    """All that a lane's processes find in their environment.

    Args:
        scratch: the directory that they may write to.
        library_path: where the loader finds the interpreter's libraries.
        gpu: the lane's own; without one, Triton kernels run in its interpreter.
    """
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    known = {
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "lane",
        "LOGNAME": "lane",
        "LANG": "C.UTF-8",
        **(_ON_GPU if gpu else _INTERPRETED),
        **dict.fromkeys(threads, "1"),
    }
    return known | ({"LD_LIBRARY_PATH": library_path} if library_path else {})
