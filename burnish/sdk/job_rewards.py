"""The rewards of a running job: replaced, taken back, and tried on what it has sampled."""

from collections.abc import Sequence

from burnish.reward_spec import Reward, RewardDefinition
from burnish.sdk import codec
from burnish.sdk.transport import Transport
from burnish.sdk.types import RescoredCompletion, RewardSet
from burnish.v1 import common_pb2, jobs_service_pb2, jobs_service_pb2_grpc

_UPDATE_SECONDS = 300.0
_RESCORE_SECONDS = 3600.0


class JobRewards:
    """Sets of rewards are numbered from 1, the job's own, and never change."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._stub = transport.stub(jobs_service_pb2_grpc.JobsServiceStub)

    def update(
        self,
        job_id: str,
        rewards: Sequence[Reward],
        *,
        at_step: int = 0,
        reason: str = "",
        newest_set: int = 0,
    ) -> RewardSet:
        """Score groups by other rewards from a step boundary on.

        Args:
            job_id: a job that has not ended.
            rewards: the whole new set, uploaded; a weight of 0 only watches.
            at_step: the first step whose groups carry it; 0 is the next one that begins.
            reason: for people.
            newest_set: refuse unless this is the newest set; 0 does not ask.
        """
        return self._send(
            jobs_service_pb2.UpdateJobRewardsRequest(
                id=job_id,
                rewards=[
                    common_pb2.RewardRef(
                        name=each.name, revision=each.revision or "", weight=each.weight
                    )
                    for each in rewards
                ],
                at_step=at_step,
                reason=reason,
                newest_set=newest_set,
            )
        )

    def roll_back(
        self, job_id: str, *, to: int = 0, at_step: int = 0, reason: str = ""
    ) -> RewardSet:
        """Go back to set `to`; 0 is the one before the newest."""
        return self._send(
            jobs_service_pb2.UpdateJobRewardsRequest(
                id=job_id, rollback_to=to, at_step=at_step, reason=reason
            )
        )

    def rescore(
        self,
        job_id: str,
        *,
        definition: RewardDefinition | None = None,
        name: str = "",
        last: int = 64,
        first_step: int = 0,
        last_step: int = 0,
    ) -> tuple[RescoredCompletion, ...]:
        """Judge the newest stored completions by another reward; training hears nothing of it.

        The reward is `definition`, or the created one called `name`.
        """
        request = jobs_service_pb2.RescoreCompletionsRequest(
            job_id=job_id,
            definition=None if definition is None else definition.to_proto(),
            name=name,
            last=last,
            first_step=first_step,
            last_step=last_step,
        )
        reply = self._transport.call(
            self._stub.RescoreCompletions, request, timeout=_RESCORE_SECONDS
        )
        return tuple(codec.decode(RescoredCompletion, each) for each in reply.completions)

    def _send(self, request: jobs_service_pb2.UpdateJobRewardsRequest) -> RewardSet:
        reply = self._transport.call(self._stub.UpdateJobRewards, request, timeout=_UPDATE_SECONDS)
        return codec.decode(RewardSet, reply.reward_set)
