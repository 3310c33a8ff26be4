"""The buckets that the gateway reads and writes."""

from dataclasses import dataclass
from typing import Self

from burnish.bus import Bucket, Bus, topology
from burnish.v1 import common_pb2, events_pb2, files_service_pb2, job_pb2, rewards_service_pb2


@dataclass(frozen=True, slots=True)
class Store:
    """Files, rewards and jobs are written here alone; the others belong to other services."""

    files: Bucket[files_service_pb2.File]
    rewards: Bucket[rewards_service_pb2.Reward]
    jobs: Bucket[job_pb2.DesiredJob]
    runs: Bucket[job_pb2.JobRun]
    adapters: Bucket[common_pb2.AdapterRef]
    services: Bucket[events_pb2.ServiceStatus]

    @classmethod
    async def open(cls, bus: Bus) -> Self:
        return cls(
            files=await bus.kv(topology.FILES, files_service_pb2.File),
            rewards=await bus.kv(topology.REWARDS, rewards_service_pb2.Reward),
            jobs=await bus.kv(topology.JOBS, job_pb2.DesiredJob),
            runs=await bus.kv(topology.RUNS, job_pb2.JobRun),
            adapters=await bus.kv(topology.ADAPTERS, common_pb2.AdapterRef),
            services=await bus.kv(topology.SERVICES, events_pb2.ServiceStatus),
        )
