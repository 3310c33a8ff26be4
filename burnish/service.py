"""What every service process does around its own work.

Settings, logging, the bus, health and metrics over HTTP, a sign of life in the `services` bucket,
and a clean end on SIGTERM.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import NoReturn, Protocol, Self, TypeVar

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from burnish import __version__, logs, stopping
from burnish.bus import Bucket, Bus, topology
from burnish.config import ServiceSettings
from burnish.errors import BurnishError, SetupError
from burnish.v1 import events_pb2

log = logs.get_logger(__name__)

STATUS_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Status:
    """What a service says of itself."""

    activity: str = "idle"
    """One short phrase for people: `sampling 12 groups`."""
    ready: bool = True
    base_models: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)


class Service(Protocol):
    """A service's own part. `start` may register consumers and responders on the bus."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def status(self) -> Status: ...


S = TypeVar("S", bound=ServiceSettings)


def main(name: str, settings_type: type[S], create: Callable[[Bus, S], Service]) -> NoReturn:
    """Run one service until SIGTERM or SIGINT, then exit: 0 drained, 1 could not run."""
    try:
        settings = settings_type.load()
        logs.configure(name, settings)
        asyncio.Runner().run(_run(name, settings, create))
    except BurnishError as error:
        # The one line that a person, or the supervisor, looks for.
        sys.stderr.write(f"burnish {name}: {error}\n")
        _exit(1)
    except KeyboardInterrupt:
        pass
    except Exception:
        log.exception("service.crashed")
        _exit(1)
    _exit(0)


def _exit(code: int) -> NoReturn:
    """End at once: all work was handed back, and a thread in a matrix product can only be awaited."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


async def _run(name: str, settings: S, create: Callable[[Bus, S], Service]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    bus = Bus(settings, name)
    service = create(bus, settings)
    health = Health(bus, service, settings)
    await health.start()
    beat: asyncio.Task[None] | None = None
    try:
        await bus.connect()
        presence = await Presence.create(name, bus, service, settings, health.port)
        beat = asyncio.create_task(presence.keep())
        await _or_stop(service.start(), stop)
        if not stop.is_set():
            await bus.start()
            await presence.show()  # who asks once this is ready finds it
            health.started = True
            log.info("service.ready", health_port=health.port)
            await stop.wait()
    finally:
        log.info("service.draining")
        health.started = False
        try:
            await bus.drain()
            await service.stop()
        finally:
            if beat is not None:
                await stopping.stop([beat])
            await bus.close()
            await health.stop()


async def _or_stop(work: Coroutine[None, None, None], stop: asyncio.Event) -> None:
    """Run `work` until it is done or the process is told to stop."""
    task = asyncio.create_task(work)
    waiter = asyncio.create_task(stop.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    if not task.done():
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return
    task.result()


class Presence:
    """The status in the bucket whose entries expire: what is not there is not alive."""

    def __init__(
        self,
        bucket: Bucket[events_pb2.ServiceStatus],
        key: str,
        status: Callable[[], events_pb2.ServiceStatus],
    ) -> None:
        self._bucket = bucket
        self._key = key
        self._status = status

    @classmethod
    async def create(
        cls, name: str, bus: Bus, service: Service, settings: ServiceSettings, port: int
    ) -> Self:
        bucket = await bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
        return cls(
            bucket,
            f"{name}.{settings.instance}",
            lambda: _message(name, settings, service.status(), port),
        )

    async def show(self) -> None:
        with contextlib.suppress(Exception):  # the connection comes back by itself
            await self._bucket.put(self._key, self._status())

    async def keep(self) -> None:
        """Show it for as long as the process lives, then take it away."""
        try:
            while True:
                await self.show()
                await asyncio.sleep(STATUS_SECONDS)
        finally:
            with contextlib.suppress(Exception):
                await self._bucket.delete(self._key)


def _message(
    name: str, settings: ServiceSettings, status: Status, port: int
) -> events_pb2.ServiceStatus:
    message = events_pb2.ServiceStatus(
        service=name,
        instance=settings.instance,
        version=__version__,
        activity=status.activity,
        base_models=status.base_models,
        metrics=status.metrics,
        details={**status.details, "health_port": str(port)},
    )
    message.time.GetCurrentTime()
    return message


class Health:
    """`/healthz` (the process runs), `/readyz` (it takes work), `/metrics` (Prometheus)."""

    def __init__(self, bus: Bus, service: Service, settings: ServiceSettings) -> None:
        self._bus = bus
        self._service = service
        self._settings = settings
        self._server: uvicorn.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.started = False
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            SetupError: the port is taken.
        """
        listener = listen(self._settings.host, self._settings.health_port, "BURNISH_HEALTH_PORT")
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            interface="asgi3",  # not recognised in a bound method
        )
        self._server = uvicorn.Server(config)
        # Signals belong to the service.
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task

    async def _app(self, scope: dict[str, object], _receive: object, send: "Send") -> None:
        status, body, kind = self._answer(str(scope["path"]))
        await send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", kind.encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    def _answer(self, path: str) -> tuple[int, bytes, str]:
        if path == "/healthz":
            return 200, b"ok\n", "text/plain"
        if path == "/readyz":
            ready = self.started and self._bus.connected and self._service.status().ready
            return (200, b"ready\n", "text/plain") if ready else (503, b"not ready\n", "text/plain")
        if path == "/metrics":
            return 200, generate_latest(), CONTENT_TYPE_LATEST
        return 404, b"not found\n", "text/plain"


class Send(Protocol):
    async def __call__(self, message: dict[str, object], /) -> None: ...


def listen(host: str, port: int, setting: str) -> socket.socket:
    """A listening TCP socket.

    Raises:
        SetupError: the port is taken or not ours to take; names `setting` as the way out.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise SetupError(
            f"port {port} on {host} cannot be used ({error.strerror}): free it, or set {setting} "
            "to another one."
        ) from error
    listener.listen(128)
    listener.setblocking(False)  # noqa: FBT003  the standard library's signature
    return listener
