"""A job's events: what happened, then what happens, until the job has ended."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from google.protobuf.message import Message
from nats.js.errors import NotFoundError as NothingThere

from burnish.bus import Bus, topology
from burnish.v1 import events_pb2
from svc_gateway.codec import TERMINAL


@dataclass(frozen=True, slots=True)
class JobEvent:
    """The sequence is the event's place in the log, from which a reader can go on."""

    sequence: int
    message: Message

    @property
    def last(self) -> bool:
        return isinstance(self.message, events_pb2.JobUpdated) and self.message.state in TERMINAL


class Events:
    """Reads the event log of one job at a time."""

    def __init__(self, bus: Bus, *, project: str) -> None:
        self._bus = bus
        self._project = project

    async def follow(self, job_id: str, *, after: int = 0) -> AsyncIterator[JobEvent]:
        """Events behind sequence `after`; ends behind the one that ends the job."""
        if await self._ended_by(job_id) <= after:
            return
        subjects = [route.subject(self._project, job_id) for route in topology.EVENTS_STREAM.routes]
        async for entry in self._bus.read(topology.EVENTS_STREAM, subjects=subjects, after=after):
            event = JobEvent(entry.sequence, entry.message)
            yield event
            if event.last:
                return

    async def _ended_by(self, job_id: str) -> float:
        """The sequence of the event that ended the job; infinite while it has not ended."""
        subject = topology.job_updated.subject(self._project, job_id)
        try:
            found = await self._bus.js.get_last_msg(topology.EVENTS_STREAM.name, subject)
        except NothingThere:
            return float("inf")
        update = events_pb2.JobUpdated.FromString(found.data or b"")
        return float(found.seq or 0) if update.state in TERMINAL else float("inf")
