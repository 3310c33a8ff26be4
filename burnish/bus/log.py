"""Reading a stream in order: what is there, then what comes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import nats.errors
from google.protobuf.message import Message
from nats.js import api
from nats.js.errors import APIError, ServiceUnavailableError

from burnish.bus.codec import ProtoCodec
from burnish.errors import UserError
from burnish.logs import get_logger

if TYPE_CHECKING:
    from nats.js import JetStreamContext

log = get_logger(__name__)
BATCH = 256
POLL_SECONDS = 5.0
RETRY_SECONDS = 1.0
# The server forgets a reader that went away.
INACTIVE_SECONDS = 60.0


class _GapError(Exception):
    """The server delivered what did not arrive: nobody acknowledges here, so nobody sends it again."""


_FAILURES = (nats.errors.Error, APIError, ServiceUnavailableError, TimeoutError, _GapError)


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of a stream. Sequences rise; they have gaps where other subjects stand."""

    sequence: int
    subject: str
    message: Message
    pending: int
    """Matching messages behind this one: 0 means that the reader is up to date."""


async def read(
    js: "JetStreamContext",
    codec: ProtoCodec,
    stream: str,
    *,
    subjects: Sequence[str],
    after: int | None,
) -> AsyncGenerator[Entry, None]:
    """Yield the entries behind sequence `after` (None: only what comes from now on), for ever.

    Survives a server restart and lost deliveries: the reader goes on behind the last entry that it
    yielded.
    An entry that cannot be decoded is logged and skipped; there is nobody to redeliver it to.
    """
    cursor = after
    while True:
        consumer = None
        try:
            consumer = await js.add_consumer(stream, _config(subjects, cursor))
            subscription = await js.pull_subscribe_bind(consumer=consumer.name, stream=stream)
            try:
                received = 0
                while True:
                    try:
                        batch = await subscription.fetch(BATCH, timeout=POLL_SECONDS)
                    except TimeoutError:
                        # Also what a lost consumer looks like.
                        info = await subscription.consumer_info()
                        if info.delivered is not None and info.delivered.consumer_seq > received:
                            raise _GapError from None
                        continue
                    for msg in batch:
                        received += 1
                        if msg.metadata.sequence.consumer != received:
                            raise _GapError
                        cursor = msg.metadata.sequence.stream
                        try:
                            message = await codec.unpack(msg.data, msg.headers or {})
                        except UserError as error:
                            log.warning(
                                "entry.skipped", stream=stream, sequence=cursor, reason=str(error)
                            )
                            continue
                        yield Entry(cursor, msg.subject, message, msg.metadata.num_pending)
            finally:
                with contextlib.suppress(nats.errors.Error):
                    await subscription.unsubscribe()
        except _FAILURES as error:
            log.warning("read.resumed", stream=stream, after=cursor, reason=repr(error))
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            if consumer is not None:
                with contextlib.suppress(nats.errors.Error, APIError, TimeoutError):
                    await js.delete_consumer(stream, consumer.name)


def _config(subjects: Sequence[str], after: int | None) -> api.ConsumerConfig:
    start = (
        {"deliver_policy": api.DeliverPolicy.NEW}
        if after is None
        else {
            "deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE,
            "opt_start_seq": after + 1,
        }
    )
    return api.ConsumerConfig(
        filter_subjects=list(subjects) or None,
        ack_policy=api.AckPolicy.NONE,
        inactive_threshold=INACTIVE_SECONDS,
        mem_storage=True,
        **start,
    )
