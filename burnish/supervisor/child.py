"""One supervised process."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from burnish.supervisor import launch
from burnish.supervisor.backoff import Backoff

_LOG_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Program:
    """What to run."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    log: Path
    grace: float = 20.0
    """Seconds between SIGTERM and SIGKILL."""


class Child:
    """Runs a program and starts it again whenever it ends, until `stop`.

    The thread that starts the process also waits for it: the kernel ties the child's life to that
    thread (see `launch`). Each process leads its own group, so Ctrl-C reaches the supervisor alone,
    and whatever a dead process left behind goes with its group.
    """

    def __init__(self, program: Program, on_change: Callable[[], None]) -> None:
        self.program = program
        self._on_change = on_change
        self._backoff = Backoff()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run, name=program.name, daemon=True)

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def pid(self) -> int | None:
        """Of the running process; None between two runs."""
        process = self._process
        return None if process is None else process.pid

    @property
    def quick_failures(self) -> int:
        """Runs in a row that ended before they counted as healthy."""
        return self._backoff.failures

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """SIGTERM, once; no further start."""
        with self._lock:
            if self._stopping.is_set():
                return
            self._stopping.set()
            self._signal(signal.SIGTERM)

    def stop(self, deadline: float | None = None) -> None:
        """Return when nothing of the program runs any more; SIGKILL after its grace.

        Args:
            deadline: A `time.monotonic()` that replaces the grace.
        """
        self.ask_to_stop()
        if self._thread.ident is None:
            return
        grace = self.program.grace if deadline is None else deadline - time.monotonic()
        self._thread.join(max(0.0, grace))
        with self._lock:
            self._signal(signal.SIGKILL)
        self._thread.join()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, number)

    def _run(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            with contextlib.suppress(OSError):  # no memory, no disk: try again later
                self._run_once()
            delay = self._backoff.next_delay(time.monotonic() - started)
            self._on_change()
            self._stopping.wait(delay)

    def _run_once(self) -> None:
        with self._lock:
            if self._stopping.is_set():
                return
            process = self._process = self._spawn()
        self._on_change()
        # Not reaped yet: the pid, and with it the group's number, cannot be taken by others.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            self._process = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        _rotate(self.program.log)
        launcher = (sys.executable, "-I", "-S", launch.__file__, str(os.getpid()))
        with self.program.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 (our own programs)
                (*launcher, *self.program.command),
                env=dict(self.program.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )


def last_words(log: Path, name: str) -> str:
    """The sentence with which a service ended, or else the last line of its log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    spoken = [line for line in lines if line.strip()]
    prefix = f"burnish {name}: "
    named = [line.removeprefix(prefix) for line in spoken if line.startswith(prefix)]
    return (named or spoken or [""])[-1].strip()


def _rotate(log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
