"""The one door to NATS: publish, consume, read, ask, answer, keep."""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import nats.errors
from faststream.nats import NatsBroker
from google.protobuf.message import Message
from nats.js.errors import APIError, NoStreamResponseError, ServiceUnavailableError
from nats.js.errors import NotFoundError as NothingThere

from burnish.bus import kv, log, provision, rpc, topology
from burnish.bus.blobs import Blobs
from burnish.bus.codec import CLAIM_HEADER, MAX_INLINE, ProtoCodec, content_type
from burnish.bus.consume import Consumer, Handler, OnExhausted
from burnish.config import ServiceSettings
from burnish.errors import RetryableError, SetupError
from burnish.logs import get_logger
from burnish.stopping import stop
from burnish.v1 import events_pb2

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext

logger = get_logger(__name__)
M = TypeVar("M", bound=Message)
R = TypeVar("R", bound=Message)

PUBLISH_TIMEOUT = 5.0
PUBLISH_TRIES = 5


class Bus:
    """A service's connection. Register consumers and responders, then `start`."""

    def __init__(self, settings: ServiceSettings, service: str) -> None:
        self.settings = settings
        self.service = service
        self.blobs = Blobs()
        self.codec = ProtoCodec(self.blobs)
        self._broker = NatsBroker(
            settings.nats_url,
            codec=self.codec,
            name=f"{service}.{settings.instance}",
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            closed_cb=self._closed,
            graceful_timeout=settings.drain_seconds,
            logger=None,
        )
        self._responders = rpc.Responders()
        self._running: set[asyncio.Task[None]] = set()
        self._nc: Client | None = None
        self._js: JetStreamContext | None = None
        self._stopping = False
        self.draining = asyncio.Event()
        """Set when the service is about to end: long work comes to a good place to stop."""

    @property
    def nc(self) -> "Client":
        """The raw connection, for what this class has no word for."""
        if self._nc is None:
            raise RetryableError("the bus is not connected")
        return self._nc

    @property
    def js(self) -> "JetStreamContext":
        if self._js is None:
            raise RetryableError("the bus is not connected")
        return self._js

    @property
    def connected(self) -> bool:
        return self._nc is not None and self._nc.is_connected

    async def connect(self) -> None:
        """Connect and provision. Idempotent.

        Raises:
            SetupError: no NATS server, or one without JetStream, within `nats_wait` seconds.
        """
        if self._nc is not None:
            return
        await self._await_server()
        self._nc = await self._broker.connect()
        self._js = self._nc.jetstream(timeout=PUBLISH_TIMEOUT)
        self.blobs.connect(self._js)
        try:
            await provision.provision(self._js, ack_wait=self.settings.ack_wait)
        except ServiceUnavailableError:
            raise SetupError(
                f"the NATS server at {self.settings.nats_url} has no JetStream: start it with "
                "`nats-server --jetstream --store_dir <folder>`."
            ) from None
        except APIError as error:
            raise SetupError(
                f"NATS at {self.settings.nats_url} refuses Burnish's streams "
                f"({error.description}): free disk space, or give JetStream more."
            ) from error

    async def start(self) -> None:
        """Begin to consume and to answer."""
        await self.connect()
        await self._broker.start()
        await self._responders.start(self.nc)

    async def stop(self) -> None:
        """`drain`, then `close`."""
        await self.drain()
        await self.close()

    async def drain(self) -> None:
        """Take nothing new, let running work finish for a while, hand back the rest."""
        self._stopping = True
        self.draining.set()
        stopping = asyncio.gather(*(subscriber.stop() for subscriber in self._broker.subscribers))
        if self._running:
            await asyncio.wait(self._running, timeout=self.settings.drain_seconds)
        await stop(self._running)
        await stopping
        await self._responders.stop(grace=self.settings.drain_seconds)

    async def close(self) -> None:
        """Leave the server."""
        self._stopping = True
        with contextlib.suppress(nats.errors.Error, TimeoutError):
            await self._broker.stop()

    def consume(
        self,
        queue: topology.Queue,
        handler: Handler[M],
        *,
        concurrency: int = 1,
        on_exhausted: OnExhausted[M] | None = None,
    ) -> None:
        """Handle a queue's messages, `concurrency` at a time. Call before `start`.

        The handler's return acknowledges. `RetryableError` brings the message back later, `HandBack`
        leaves it to another worker; any other error becomes a dead letter (a `UserError` at once),
        after `on_exhausted` has ended what waits for the message.
        """
        Consumer(
            queue=queue,
            handler=handler,
            on_exhausted=on_exhausted,
            concurrency=concurrency,
            ack_wait=self.settings.ack_wait,
            dead_letters=self._bury,
            running=self._running,
        ).register(self._broker)

    async def publish(self, message: Message, *, id: str) -> None:  # noqa: A002
        """Append `message` to its stream; a repeated id has no second effect.

        Raises:
            RetryableError: the stream did not take it, for several tries.
        """
        subject = topology.subject_for(message)
        payload = message.SerializeToString()
        headers = {"content-type": content_type(message), "Nats-Msg-Id": id}
        if len(payload) > MAX_INLINE:
            name = f"{topology.route_of(message).verb}/{id}"
            ref = await self.blobs.put(topology.OBJECTS_PAYLOADS, name, payload)
            payload = ref.SerializeToString()
            headers[CLAIM_HEADER] = "1"
        stream = topology.stream_of(message).name
        for attempt in range(PUBLISH_TRIES):
            try:
                await self.js.publish(
                    subject, payload, stream=stream, headers=headers, timeout=PUBLISH_TIMEOUT
                )
            except (nats.errors.Error, NoStreamResponseError, APIError, TimeoutError) as error:
                reason = repr(error)
                await asyncio.sleep(min(2.0**attempt, 5.0))
            else:
                return
        raise RetryableError(f"{subject} was not accepted by NATS: {reason}")

    async def _bury(self, letter: events_pb2.DeadLetter) -> None:
        await self.publish(letter, id=f"dead:{letter.subject}:{letter.message_id}")

    def read(
        self, stream: topology.Stream, *, subjects: Sequence[str] = (), after: int | None = 0
    ) -> AsyncGenerator[log.Entry, None]:
        """A stream's entries behind sequence `after`, in order, then live; None: only live."""
        return log.read(self.js, self.codec, stream.name, subjects=subjects, after=after)

    async def newest_id(self, stream: topology.Stream, subject: str) -> str:
        """The id of a subject's newest message; "" where there is none."""
        try:
            found = await self.js.get_last_msg(stream.name, subject)
        except NothingThere:
            return ""
        return str((found.headers or {}).get("Nats-Msg-Id", ""))

    def respond(
        self, subject: str, kind: type[M], responder: rpc.Responder[M], *, queue: str
    ) -> None:
        """Answer requests on `subject`, shared with the other members of `queue`."""
        self._responders.add(subject, kind, responder, queue)

    def request(
        self,
        subject: str,
        message: Message,
        kind: type[R],
        *,
        idle_timeout: float = rpc.IDLE_TIMEOUT,
    ) -> AsyncGenerator[R, None]:
        """Ask, and iterate over the replies. See `rpc.request` for what it raises."""
        return rpc.request(self.nc, subject, message, kind, idle_timeout=idle_timeout)

    async def broadcast(self, subject: str, message: Message) -> None:
        """Tell whoever listens now; nobody keeps it."""
        await self.nc.publish(subject, message.SerializeToString())

    async def listen(
        self, subject: str, kind: type[M], handler: Callable[[M], Awaitable[None]]
    ) -> None:
        """Handle what is broadcast on `subject`."""

        async def take(msg: "Msg") -> None:
            await handler(kind.FromString(msg.data))

        await self.nc.subscribe(subject, cb=take)

    async def kv(self, bucket: topology.Bucket, kind: type[M]) -> kv.Bucket[M]:
        """The typed bucket."""
        if kind.DESCRIPTOR is not bucket.message.DESCRIPTOR:
            raise TypeError(f"{bucket.name} holds {bucket.message.DESCRIPTOR.full_name}")
        return kv.Bucket(self.js, bucket.name, await self.js.key_value(bucket.name), kind)

    async def _await_server(self) -> None:
        """Wait for the server before FastStream connects: its own errors are many lines long."""
        deadline = asyncio.get_running_loop().time() + self.settings.nats_wait
        while True:
            try:
                async with asyncio.timeout(5):
                    probe = await nats.connect(
                        self.settings.nats_url, allow_reconnect=False, connect_timeout=2
                    )
                    await probe.close()
            except (OSError, nats.errors.Error, TimeoutError) as error:
                if asyncio.get_running_loop().time() >= deadline:
                    raise SetupError(
                        f"no NATS server answers at {self.settings.nats_url} ({error}): start one, "
                        "or set BURNISH_NATS_URL."
                    ) from error
                await asyncio.sleep(0.2)
            else:
                return

    async def _closed(self) -> None:
        """The client gave up for good: only a new process can help."""
        if not self._stopping:
            logger.critical("bus.closed", nats_url=self.settings.nats_url)
            os._exit(1)
