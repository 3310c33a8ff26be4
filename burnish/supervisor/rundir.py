"""The folder of one platform on disk: who runs in it, and where that one answers."""

import contextlib
import fcntl
import json
import os
import signal
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Self

from burnish.errors import SetupError


@dataclass(frozen=True, slots=True)
class State:
    """What a running platform says of itself in `up.json`."""

    pid: int
    http_url: str
    grpc_address: str
    nats_url: str
    sandbox: str
    """"docker" or "process"."""
    ready: bool = False
    pids: Mapping[str, int] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    """Service → what it said last, for those that keep ending."""


class RunDir:
    """Paths, the lock and the state file.

    The lock is the kernel's (flock): it ends with its process, however that ends, so there is no
    such thing as a stale lock, and a state file without a lock holder is only a memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock: IO[str] | None = None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def data(self) -> Path:
        return self.path / "data"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def acquire(self) -> Self:
        """Become the one platform of this folder.

        Raises:
            SetupError: Another one runs here, or the folder cannot be written.
        """
        try:
            self.logs.mkdir(parents=True, exist_ok=True)
            self.data.mkdir(exist_ok=True)
            lock = self._lock_path.open("a")
        except OSError as error:
            raise SetupError(
                f"Cannot write to {self.path} ({error.strerror}): choose another folder with --dir."
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise SetupError(self._who_runs()) from None
        self._lock = lock
        return self

    def release(self) -> None:
        if self._lock is not None:
            self._state_path.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    def write(self, state: State) -> None:
        """Replace the state file in one step."""
        scratch = self._state_path.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(state), indent=2) + "\n", encoding="utf-8")
        scratch.replace(self._state_path)

    def running(self) -> State | None:
        """The platform that runs here now, if any."""
        if not self._is_locked():
            return None
        with contextlib.suppress(OSError, ValueError, TypeError):
            return State(**json.loads(self._state_path.read_text(encoding="utf-8")))
        return None

    def stop(self, timeout: float = 60) -> bool:
        """Ask the platform that runs here to end, and wait until it has.

        Returns:
            False when none runs here.

        Raises:
            SetupError: It still runs after `timeout` seconds.
        """
        state = self.running()
        if state is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while self._is_locked():
            if time.monotonic() > deadline:
                raise SetupError(f"Burnish (process {state.pid}) did not stop in {timeout:.0f} s.")
            time.sleep(0.05)
        return True

    def _is_locked(self) -> bool:
        try:
            with self._lock_path.open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _who_runs(self) -> str:
        state = self.running()
        if state is None:
            return f"Burnish is already starting in {self.path}."
        return (
            f"Burnish is already running in {self.path} (process {state.pid}, console at "
            f"{state.http_url}): use it, or stop it with `burnish down --dir {self.path}`."
        )

    @property
    def _lock_path(self) -> Path:
        return self.path / "up.lock"

    @property
    def _state_path(self) -> Path:
        return self.path / "up.json"
