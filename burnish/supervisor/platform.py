"""A whole platform on one machine: nats-server and the five services, as child processes."""

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from burnish import models
from burnish.errors import BurnishError, NotFoundError, SetupError
from burnish.sdk import Client
from burnish.supervisor import allocator, checks, nats
from burnish.supervisor.child import Child, Program, last_words
from burnish.supervisor.ports import HOST, claim, free_port
from burnish.supervisor.rundir import RunDir, State

SERVICES = ("gateway", "rollout", "reward", "learner", "serve")
NATS = "nats"

_STATUS_SECONDS = 10.0
_MAX_FAILURES = 3
"""Quick ends in a row after which a service has a problem, and a start fails."""


class Platform:
    """Starts everything, keeps it running, and ends all of it.

    A service that ends is started again, so that a killed one heals. Use it as a (sync or async)
    context manager; after `start` the addresses and `pids` are there.

    Args:
        directory: Where logs, streams and data live; one platform at a time.
        http_port: Of the gateway's HTTP; 0 takes a free one.
        grpc_port: Of the gateway's gRPC; 0 takes a free one.
        nats_port: The one to prefer; 0, or a taken one, gives a free one.
        env: Further environment of all services; wins over everything but the addresses.
        services: Which of the five to run.
        report: Receives one sentence for each thing that happens during the start.
        start_timeout: Seconds that all services together have to become ready.
    """

    def __init__(
        self,
        directory: Path,
        *,
        http_port: int = 0,
        grpc_port: int = 0,
        nats_port: int = 0,
        env: Mapping[str, str] | None = None,
        services: tuple[str, ...] = SERVICES,
        report: Callable[[str], None] = lambda _: None,
        start_timeout: float = 240,
    ) -> None:
        self.directory = RunDir(directory)
        self.http_port = http_port
        self.grpc_port = grpc_port
        self.nats_port = nats_port
        self.sandbox = ""
        self._env = {**os.environ, **(env or {})}
        self._services = services
        self._report = report
        self._start_timeout = start_timeout
        self._children: dict[str, Child] = {}
        self._health_ports: dict[str, int] = {}
        self._state_lock = threading.Lock()
        self._ready = False

    @property
    def http_url(self) -> str:
        return f"http://{HOST}:{self.http_port}"

    @property
    def grpc_address(self) -> str:
        return f"{HOST}:{self.grpc_port}"

    @property
    def nats_url(self) -> str:
        return nats.url(self.nats_port)

    @property
    def pids(self) -> dict[str, int]:
        """Of everything that runs at this moment, `nats` included."""
        pids = {name: child.pid for name, child in list(self._children.items())}
        return {name: pid for name, pid in pids.items() if pid is not None}

    @property
    def models_dir(self) -> Path:
        default = Path("~/.cache/burnish/models")
        return Path(self._env.get("BURNISH_MODELS_DIR") or default).expanduser().absolute()

    @property
    def state(self) -> State:
        """What `up.json` says."""
        return State(
            pid=os.getpid(),
            http_url=self.http_url,
            grpc_address=self.grpc_address,
            nats_url=self.nats_url,
            sandbox=self.sandbox,
            ready=self._ready,
            pids=self.pids,
            problems={
                name: self._last_words(name)
                for name, child in list(self._children.items())
                if child.quick_failures >= _MAX_FAILURES
            },
        )

    def start(self) -> Self:
        """Return when every service is ready.

        Raises:
            SetupError: Something is in the way; nothing is left running.
        """
        self.directory.acquire()
        try:
            self._prepare()
            self._start_nats()
            self._ensure_model()
            self._start_services()
        except BaseException:
            self.stop()
            raise
        self._ready = True
        self._write_state()
        return self

    def stop(self, *, at_once: bool = False) -> None:
        """End all processes: services drain first, the bus goes last.

        Args:
            at_once: SIGKILL without a grace.
        """
        self._ready = False
        deadline = time.monotonic() if at_once else None
        services = [child for name, child in self._children.items() if name != NATS]
        for child in services:
            child.ask_to_stop()
        for child in services:
            child.stop(deadline)
        if NATS in self._children:
            self._children[NATS].stop(deadline)
        self._children.clear()
        self.directory.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await asyncio.to_thread(self.stop)

    def wait_until_ready(self, timeout: float = 120) -> None:
        """Return when every service says that it takes work, for example after a crash.

        Raises:
            SetupError: One does not, and why.
        """
        self._wait_until_ready(time.monotonic() + timeout)

    def _prepare(self) -> None:
        checks.require_packages(self._services)
        checks.require_disk(self.directory.path)
        self.http_port = claim(self.http_port, "--http-port")
        self.grpc_port = claim(self.grpc_port, "--grpc-port")
        self.nats_port = free_port(self.nats_port)
        self.sandbox = self._choose_sandbox()

    def _choose_sandbox(self) -> str:
        chosen = self._env.get("BURNISH_SANDBOX")
        if chosen:
            return chosen
        problem = checks.docker_problem()
        if problem is None:
            return "docker"
        self._report(
            f"Reward functions run as plain processes, without container isolation, because "
            f"{problem}: use only code that you trust."
        )
        return "process"

    def _start_nats(self) -> None:
        command = nats.command(self.directory.path / "nats", self.nats_port)
        self._launch(Program(NATS, command, self._env, self.directory.log(NATS), grace=10))
        if not nats.wait_until_ready(self.nats_port):
            raise SetupError(f"nats-server did not start: {self._last_words(NATS)}")
        self._report(f"NATS answers at {self.nats_url}")

    def _ensure_model(self) -> None:
        """Make the built-in model in a process of its own: the conversion needs torch and memory."""
        try:
            models.resolve(models.SMOLLM2, self.models_dir)
        except NotFoundError:
            self._report(f"Making the base model {models.SMOLLM2}, once")
        else:
            return
        code = (
            "import sys, pathlib; from burnish import models; from burnish.errors import BurnishError\n"
            "try: models.ensure(sys.argv[1], pathlib.Path(sys.argv[2]))\n"
            "except BurnishError as error: sys.exit(str(error))"
        )
        made = subprocess.run(  # noqa: S603 (our own code)
            (sys.executable, "-c", code, models.SMOLLM2, str(self.models_dir)),
            env=self._service_env(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            lines = made.stderr.strip().splitlines() or ["it ended without a word"]
            if not models.available(self.models_dir):
                raise SetupError(f"There is no base model: {lines[-1]}")
            self._report(f"Without the built-in base model: {lines[-1]}")

    def _start_services(self) -> None:
        for name in self._services:
            self._health_ports[name] = free_port()
            env = {
                **allocator.environment(name),
                **self._service_env(),
                "BURNISH_HEALTH_PORT": str(self._health_ports[name]),
            }
            command = (sys.executable, "-m", f"svc_{name}")
            self._launch(Program(name, command, env, self.directory.log(name)))
        self._wait_until_ready(time.monotonic() + self._start_timeout)
        if {"gateway", "serve"} <= set(self._services):
            self._wait_until_models_are_listed()

    def _wait_until_models_are_listed(self) -> None:
        """The engine's status travels over the bus: soon after it is ready the gateway knows."""
        deadline = time.monotonic() + _STATUS_SECONDS
        with Client(self.grpc_address) as client:
            while time.monotonic() < deadline:
                with contextlib.suppress(BurnishError):
                    if client.models.list():
                        return
                time.sleep(0.2)

    def _service_env(self) -> dict[str, str]:
        return {
            # Two processes share a small machine best with one core each.
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "PYTHONUNBUFFERED": "1",
            "BURNISH_DATA_DIR": str(self.directory.data),
            **self._env,
            "BURNISH_MODELS_DIR": str(self.models_dir),
            "BURNISH_SANDBOX": self.sandbox,
            "BURNISH_NATS_URL": self.nats_url,
            "BURNISH_HTTP_PORT": str(self.http_port),
            "BURNISH_GRPC_PORT": str(self.grpc_port),
        }

    def _launch(self, program: Program) -> None:
        child = Child(program, self._write_state)
        self._children[program.name] = child
        child.start()

    def _wait_until_ready(self, deadline: float) -> None:
        waiting = dict(self._health_ports)
        while waiting:
            for name, port in list(waiting.items()):
                if _is_ready(port):
                    del waiting[name]
                    self._report(f"{name} is ready")
                elif self._children[name].quick_failures >= _MAX_FAILURES:
                    raise SetupError(f"{name} cannot run: {self._last_words(name)}")
            if waiting and time.monotonic() > deadline:
                name = next(iter(waiting))
                raise SetupError(
                    f"{', '.join(waiting)} did not become ready in time; {name}: "
                    f"{self._activity(name) or self._last_words(name)}"
                )
            time.sleep(0.2 if waiting else 0)

    def _activity(self, name: str) -> str:
        """What a running service says of itself through the gateway."""
        with contextlib.suppress(BurnishError), Client(self.grpc_address) as client:
            said = [one.activity for one in client.services() if one.service == name]
            return said[0] if said else ""
        return ""

    def _last_words(self, name: str) -> str:
        log = self.directory.log(name)
        return f"{last_words(log, name) or 'nothing'} (all of it: {log})"

    def _write_state(self) -> None:
        # A full disk must not end a child's thread, and its child with it.
        with self._state_lock, contextlib.suppress(OSError):
            self.directory.write(self.state)


def _is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://{HOST}:{port}/readyz", timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
