"""What the learners say of themselves, and hear of each other, in the bucket of service statuses."""

from collections.abc import Mapping, Sequence

from burnish.bus import Bucket, Bus, topology
from burnish.v1 import events_pb2
from svc_learner.sharing.placement import Peer

_SERVICE = "learner"
_BOUND, _HOLDS = "bound_to", "holds"
_JOBS, _SLOTS, _DRAINING = "jobs", "slots", "draining"


def names(setting: str) -> frozenset[str]:
    """Of a setting with commas."""
    return frozenset(name.strip() for name in setting.split(",") if name.strip())


def metrics_of(peer: Peer) -> dict[str, float]:
    return {_JOBS: peer.jobs, _SLOTS: peer.slots, _DRAINING: float(peer.draining)}


def details_of(peer: Peer) -> dict[str, str]:
    """Names in one string: details are strings."""
    return {_BOUND: ",".join(sorted(peer.bound)), _HOLDS: ",".join(sorted(peer.holds))}


def peer_of(status: events_pb2.ServiceStatus) -> Peer:
    details: Mapping[str, str] = status.details
    return Peer(
        status.instance,
        bound=names(details.get(_BOUND, "")),
        holds=names(details.get(_HOLDS, "")),
        jobs=int(status.metrics.get(_JOBS, 0)),
        slots=int(status.metrics.get(_SLOTS, 1)),
        draining=bool(status.metrics.get(_DRAINING, 0)),
    )


class Peers:
    """The other learners."""

    def __init__(self, statuses: Bucket[events_pb2.ServiceStatus], instance: str) -> None:
        self._statuses = statuses
        self._instance = instance

    @classmethod
    async def open(cls, bus: Bus) -> "Peers":
        statuses = await bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
        return cls(statuses, bus.settings.instance)

    async def others(self) -> Sequence[Peer]:
        """Those that showed a sign of life of late."""
        found = [status for _, status in await self._statuses.items()]
        return [
            peer_of(status)
            for status in found
            if status.service == _SERVICE and status.instance != self._instance
        ]
