"""Work queues: a durable consumer that loses nothing and repeats nothing needlessly.

A message is acknowledged when its handler returns. While the handler runs, in-progress acks keep
the message here; when the process dies, the server gives it to another worker after `ack_wait`.
Handlers are idempotent: at-least-once delivery, exactly-once effect by deterministic message ids.
"""

import asyncio
import time
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from faststream import AckPolicy
from faststream.exceptions import NackMessage, RejectMessage
from faststream.nats import JStream, NatsMessage, PullSub
from google.protobuf.message import Message
from prometheus_client import Counter, Histogram

from burnish.bus import topology
from burnish.bus.codec import Undecoded, content_type
from burnish.errors import RetryableError, UserError
from burnish.logs import get_logger
from burnish.v1 import events_pb2

if TYPE_CHECKING:
    from faststream.nats import NatsBroker

log = get_logger(__name__)
M = TypeVar("M", bound=Message)
Handler = Callable[[M], Awaitable[None]]
OnExhausted = Callable[[M, str], Awaitable[None]]
DeadLetters = Callable[[events_pb2.DeadLetter], Awaitable[None]]

# A handler that fails for a reason of its own (not the infrastructure's) gets this many tries in one
# process: deliveries also count messages that were only handed on.
MAX_CRASHES = 3
MAX_DELAY = 30.0

HANDLED = Counter("burnish_messages_total", "Messages handled.", ["queue", "outcome"])
SECONDS = Histogram("burnish_message_seconds", "Seconds in a handler.", ["queue"])


class HandBack(Exception):  # noqa: N818  nothing went wrong
    """Raised by a handler whose message another worker is to have.

    Attributes:
        delay: seconds until the message is delivered again.
        aside: seconds for which this loop takes nothing new, so that it is others who get it.
    """

    def __init__(self, *, delay: float = 0.0, aside: float = 0.0) -> None:
        super().__init__("handed back")
        self.delay = delay
        self.aside = aside


def retry_delay(deliveries: int) -> float:
    """Seconds until the next delivery: 1, 2, 4, ... up to 30."""
    return min(MAX_DELAY, 2.0 ** (deliveries - 1))


@dataclass(slots=True)
class Consumer(Generic[M]):
    """Handles the messages of one queue, `concurrency` at a time."""

    queue: topology.Queue
    handler: Handler[M]
    on_exhausted: OnExhausted[M] | None
    concurrency: int
    ack_wait: float
    dead_letters: DeadLetters
    running: set[asyncio.Task[None]]
    _crashes: Counts[int] = field(default_factory=Counts)
    """By the message's sequence in its stream."""

    def register(self, broker: "NatsBroker") -> None:
        """Add `concurrency` one-message loops on the durable.

        One loop with several workers would hold messages in memory without a sign of life.
        """
        for index in range(self.concurrency):
            broker.subscriber(
                self.queue.route.wildcard,
                stream=JStream(self.queue.stream.name, declare=False),
                durable=self.queue.durable,
                pull_sub=PullSub(batch_size=1, timeout=2),
                ack_policy=AckPolicy.NACK_ON_ERROR,
                include_in_schema=index == 0,
            )(self._entry())

    def _entry(self) -> Callable[[Any, NatsMessage], Coroutine[Any, Any, None]]:
        async def entry(body: Any, message: NatsMessage) -> None:  # noqa: ANN401
            task = asyncio.create_task(self._handle(body, message))
            self.running.add(task)
            try:
                await task
            except asyncio.CancelledError:
                # The service drains: somebody else starts on it at once.
                raise NackMessage from None
            finally:
                self.running.discard(task)

        return entry

    async def _handle(self, body: M | Undecoded, message: NatsMessage) -> None:
        started = time.monotonic()
        beat = asyncio.create_task(self._beat(message))
        outcome = "done"
        try:
            await self._attempt(body, message)
        except HandBack as back:
            outcome = "handed_back"
            await message.nack(delay=back.delay)
            beat.cancel()
            await asyncio.sleep(back.aside)
        except NackMessage:
            outcome = "retried"
            raise
        except RejectMessage:
            outcome = "dead"
            raise
        finally:
            beat.cancel()
            HANDLED.labels(self.queue.durable, outcome).inc()
            SECONDS.labels(self.queue.durable).observe(time.monotonic() - started)

    async def _attempt(self, body: M | Undecoded, message: NatsMessage) -> None:
        metadata = message.raw_message.metadata
        deliveries, sequence = metadata.num_delivered, metadata.sequence.stream
        payload = None if isinstance(body, Undecoded) else body
        try:
            await self.handler(_decoded(body))
            self._crashes.pop(sequence, None)
        except HandBack:
            raise
        except UserError as error:
            # Nothing that waiting could mend.
            await self._bury(message, payload, str(error), deliveries)
        except RetryableError as error:
            if deliveries >= self.queue.max_deliver:
                await self._bury(message, payload, str(error), deliveries)
            log.warning("message.retried", queue=self.queue.durable, reason=str(error))
            raise NackMessage(delay=retry_delay(deliveries)) from error
        except Exception as error:
            log.exception("message.failed", queue=self.queue.durable, deliveries=deliveries)
            self._crashes[sequence] += 1
            if self._crashes[sequence] >= MAX_CRASHES:
                del self._crashes[sequence]
                await self._bury(message, payload, f"{type(error).__name__}: {error}", deliveries)
            raise NackMessage(delay=retry_delay(self._crashes[sequence])) from error

    async def _bury(
        self, message: NatsMessage, payload: M | None, reason: str, deliveries: int
    ) -> None:
        """Keep the message with the reason, end what waits for it, and take it off the queue."""
        log.error("message.dead", queue=self.queue.durable, reason=reason)
        if payload is not None and self.on_exhausted is not None:
            await self.on_exhausted(payload, reason)
        letter = events_pb2.DeadLetter(
            subject=message.raw_message.subject,
            message_id=message.headers.get("Nats-Msg-Id", ""),
            payload=message.body,
            reason=reason,
            deliveries=deliveries,
            content_type=message.headers.get(
                "content-type", content_type(self.queue.route.message)
            ),
        )
        letter.time.GetCurrentTime()
        await self.dead_letters(letter)
        raise RejectMessage

    async def _beat(self, message: NatsMessage) -> None:
        """Tell the server, well within `ack_wait`, that the message is being worked on."""
        while True:
            await asyncio.sleep(self.ack_wait / 3)
            try:
                await message.in_progress()
            except Exception:  # noqa: BLE001  the connection comes back by itself, or work repeats
                log.warning("heartbeat.failed", queue=self.queue.durable)


def _decoded(body: M | Undecoded) -> M:
    if isinstance(body, Undecoded):
        raise body.error
    return body
