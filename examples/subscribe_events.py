"""Print a job's events as they happen, straight from NATS: no Burnish client involved.

    python examples/subscribe_events.py [JOB] [--server nats://127.0.0.1:4222] [--follow]

Without JOB it prints the events of all jobs. It begins with the first event that the stream still
keeps, so it may be started late; without --follow it stops once it has printed what there is.
Only nats-py and the generated messages are needed. In any other language: compile
`proto/burnish/v1/*.proto`, and read each message as the type that its content-type header names.
"""

import argparse
import asyncio
import re
from contextlib import suppress

import nats
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pool import Default
from google.protobuf.message import Message
from nats.errors import TimeoutError as NothingNewError
from nats.js import JetStreamContext

# Importing a module registers its messages by name.
from burnish.v1 import common_pb2, events_pb2  # noqa: F401

STREAM = "BURNISH_EVENTS"
CONTENT_TYPE = re.compile(r'application/x-protobuf; messageType="([\w.]+)"')
CLAIM = "Burnish-Claim"


async def decode(stream: JetStreamContext, data: bytes, headers: dict[str, str]) -> Message:
    """The message in a payload. What is too large for a payload lies in the object store."""
    if CLAIM in headers:
        claimed = common_pb2.ObjectRef.FromString(data)
        store = await stream.object_store(claimed.bucket)
        data = (await store.get(claimed.name)).data or b""
    match = CONTENT_TYPE.fullmatch(headers["content-type"])
    if match is None:
        raise ValueError(f"not a Burnish message: {headers}")
    kind = message_factory.GetMessageClass(Default().FindMessageTypeByName(match[1]))
    return kind.FromString(data)


async def main(server: str, job: str, *, follow: bool) -> None:
    client = await nats.connect(server)
    stream = client.jetstream()
    # burnish.v1.<area>.<verb>.<project>.<job>
    subscription = await stream.subscribe(
        f"burnish.v1.*.*.*.{job}", stream=STREAM, ordered_consumer=True
    )
    try:
        while True:
            try:
                event = await subscription.next_msg(timeout=None if follow else 1.0)
            except NothingNewError:
                break
            message = await decode(stream, event.data, event.headers or {})
            text = json_format.MessageToJson(message, indent=None, preserving_proto_field_name=True)
            print(
                f"{event.metadata.sequence.stream:>6} {message.DESCRIPTOR.name}", text, flush=True
            )
    finally:
        await client.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", nargs="?", default="*", help="a job's id; all jobs by default")
    parser.add_argument("--server", default="nats://127.0.0.1:4222")
    parser.add_argument("--follow", action="store_true", help="wait for more")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(options.server, options.job, follow=options.follow))
