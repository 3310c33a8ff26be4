"""What a learner can see of the services that it waits for: who is alive, and what is queued."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from burnish.bus import Bus, topology
from burnish.v1 import events_pb2
from svc_learner.state.store import OUTAGE

LOOK_SECONDS = 5.0
"""Longest look around: a bus that does not answer is an answer too."""


@dataclass(frozen=True, slots=True)
class Service:
    """One live instance."""

    name: str
    activity: str = ""
    base_models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Queue:
    """Messages of all jobs that wait for a worker, and those that are worked on."""

    waiting: int = 0
    working: int = 0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`groups` are to be sampled, `completions` to be scored."""

    services: Sequence[Service] = ()
    groups: Queue = Queue()
    completions: Queue = Queue()


async def look_around(bus: Bus) -> Surroundings | None:
    """None: the bus does not answer."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            bucket = await bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
            return Surroundings(
                services=[
                    Service(status.service, status.activity, tuple(status.base_models))
                    for _, status in await bucket.items()
                ],
                groups=await _queue(bus, topology.ROLLOUT_REQUESTED),
                completions=await _queue(bus, topology.ROLLOUT_COMPLETED),
            )
    except OUTAGE:
        return None


async def _queue(bus: Bus, queue: topology.Queue) -> Queue:
    info = await bus.js.consumer_info(queue.stream.name, queue.durable)
    return Queue(waiting=info.num_pending or 0, working=info.num_ack_pending or 0)
