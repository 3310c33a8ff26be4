"""Makes the topology real: streams, durable consumers, key-value and object buckets.

Idempotent, and the only place that creates or changes any of them: a subscriber that binds an
existing durable would silently ignore other settings.
"""

from typing import TYPE_CHECKING

from nats.js import api
from nats.js.errors import BadRequestError, NotFoundError

from burnish.bus import topology

if TYPE_CHECKING:
    from nats.js import JetStreamContext

# Repeated publishes of one id within this time are recognised by the server.
DUPLICATE_WINDOW = 600.0


async def provision(js: "JetStreamContext", *, ack_wait: float) -> None:
    """Create what is missing and bring what exists up to date."""
    for stream in topology.STREAMS:
        await _stream(js, stream)
    for queue in topology.QUEUES:
        await js.add_consumer(queue.stream.name, _consumer(queue, ack_wait))
    for bucket in topology.BUCKETS:
        await _bucket(js, bucket)
    for name, ttl in topology.OBJECT_BUCKETS.items():
        await _objects(js, name, ttl)


async def _stream(js: "JetStreamContext", stream: topology.Stream) -> None:
    config = api.StreamConfig(
        name=stream.name,
        subjects=[route.wildcard for route in stream.routes],
        retention=api.RetentionPolicy.WORK_QUEUE
        if stream.retention == "workqueue"
        else api.RetentionPolicy.LIMITS,
        max_age=stream.max_age,
        max_bytes=stream.max_bytes,
        # A full queue refuses new work (backpressure); a full log forgets its oldest.
        discard=api.DiscardPolicy.NEW if stream.retention == "workqueue" else api.DiscardPolicy.OLD,
        duplicate_window=DUPLICATE_WINDOW,
        storage=api.StorageType.FILE,
    )
    try:
        await js.add_stream(config)
    except BadRequestError:
        await js.update_stream(config)


def _consumer(queue: topology.Queue, ack_wait: float) -> api.ConsumerConfig:
    return api.ConsumerConfig(
        durable_name=queue.durable,
        filter_subject=queue.route.wildcard,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        # The consumer wrapper counts deliveries itself, so that the last one can end the group.
        max_deliver=-1,
        max_ack_pending=10_000,
    )


async def _bucket(js: "JetStreamContext", bucket: topology.Bucket) -> None:
    try:
        await js.key_value(bucket.name)
    except NotFoundError:
        await js.create_key_value(
            api.KeyValueConfig(bucket=bucket.name, ttl=bucket.ttl or None, history=1)
        )


async def _objects(js: "JetStreamContext", name: str, ttl: float) -> None:
    try:
        await js.object_store(name)
    except NotFoundError:
        await js.create_object_store(name, api.ObjectStoreConfig(bucket=name, ttl=ttl or None))
