"""Jobs stopped, continued and branched: pauses, budgets, checkpoints and forks."""

import uuid
from collections.abc import Mapping
from typing import Any

from burnish.run_spec import Budget
from burnish.sdk import codec
from burnish.sdk.transport import Transport
from burnish.sdk.types import Checkpoint, Job
from burnish.spec import JobSpec
from burnish.v1 import job_pb2, jobs_service_pb2, jobs_service_pb2_grpc

_FORK_SECONDS = 300.0
"""The gateway copies a checkpoint and tries the rewards."""


class Lifecycle:
    """What `Client.jobs` offers beside creating and reading."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stub: Any = transport.stub(jobs_service_pb2_grpc.JobsServiceStub)

    def pause(self, job_id: str) -> Job:
        """Stop a job at its next step boundary, with a checkpoint."""
        request = jobs_service_pb2.PauseJobRequest(id=job_id)
        return codec.decode(Job, self._transport.call(self._stub.PauseJob, request).job)

    def resume(self, job_id: str, *, budget: Budget | None = None) -> Job:
        """Go on from the checkpoint of the pause, with another budget if one is given.

        Raises:
            UserError: The job is not paused, or the budget is used up already.
        """
        request = jobs_service_pb2.ResumeJobRequest(
            id=job_id, budget=None if budget is None else job_pb2.Budget(**budget.model_dump())
        )
        return codec.decode(Job, self._transport.call(self._stub.ResumeJob, request).job)

    def fork(
        self, job_id: str, *, step: int = 0, spec: JobSpec | None = None, request_id: str = ""
    ) -> Job:
        """A new job that begins at a kept checkpoint of another one.

        Args:
            job_id: the other one.
            step: of the checkpoint; 0 is the newest.
            spec: the new job, uploaded; unset: as the other one.
            request_id: repeating a request with the same id returns the job that it made.
        """
        request = jobs_service_pb2.ForkJobRequest(
            id=job_id,
            step=step,
            spec=None if spec is None else spec.to_proto(),
            request_id=request_id or uuid.uuid4().hex,
        )
        reply = self._transport.call(self._stub.ForkJob, request, timeout=_FORK_SECONDS)
        return codec.decode(Job, reply.job)

    def checkpoints(self, job_id: str) -> tuple[Checkpoint, ...]:
        """Those that the job keeps, newest first."""
        request = jobs_service_pb2.ListCheckpointsRequest(job_id=job_id)
        reply = self._transport.call(self._stub.ListCheckpoints, request)
        return tuple(codec.decode(Checkpoint, each) for each in reply.checkpoints)


def with_limits(budget: Budget, limits: Mapping[str, float | None]) -> Budget:
    """The budget with some limits replaced; None leaves one as it is."""
    given = {unit: limit for unit, limit in limits.items() if limit is not None}
    return Budget.model_validate(budget.model_dump() | given)
