"""Stored completions judged by another reward, beside their old scores. Training hears nothing."""

from collections.abc import Iterable, Iterator, Sequence

from burnish.errors import UserError
from burnish.reward_spec import RewardDefinition
from burnish.v1 import jobs_service_pb2
from svc_gateway import codec
from svc_gateway.jobs import Jobs
from svc_gateway.projection import Queries
from svc_gateway.rewards import MAX_TRIED, Rewards, Verdict

LAST = 64
MAX_LAST = 1024

Scored = jobs_service_pb2.ScoredCompletion
Rescored = jobs_service_pb2.RescoredCompletion
Request = jobs_service_pb2.RescoreCompletionsRequest


class Rescoring:
    """Reads the read model, asks the sandbox, keeps nothing."""

    def __init__(self, *, jobs: Jobs, rewards: Rewards, queries: Queries) -> None:
        self._jobs = jobs
        self._rewards = rewards
        self._queries = queries

    async def rescore(self, request: Request) -> Sequence[Rescored]:
        """Newest first.

        Raises:
            NotFoundError: there is no such job or reward.
            UserError: the request is not right, or the reward cannot be used here.
            RetryableError: the reward service fails.
            UnavailableError: no reward service answers.
        """
        await self._jobs.get(request.job_id)
        if request.last > MAX_LAST:
            raise UserError(f"at most {MAX_LAST} completions at once", field="last")
        definition = await self._definition(request)
        found = await self._completions(request)
        verdicts: dict[str, Verdict] = {}
        for batch in _batches(found, whole=definition.group):
            rows = [codec.dataset_row(each.row) for each in batch]
            texts = [each.completion for each in batch]
            judged = await self._rewards.test(
                definition, rows[:1] if definition.group else rows, texts
            )
            verdicts |= {
                each.completion_id: verdict for each, verdict in zip(batch, judged, strict=True)
            }
        return [
            Rescored(completion=each, verdict=verdicts[each.completion_id])
            for each in found
            if each.completion_id in verdicts
        ]

    async def _definition(self, request: Request) -> RewardDefinition:
        if request.HasField("definition") == bool(request.name):
            raise UserError("send either a definition or the name of a reward", field="definition")
        if not request.name:
            return RewardDefinition.from_proto(request.definition)
        reward = await self._rewards.get(request.name, request.revision)
        return RewardDefinition.from_proto(reward.definition)

    async def _completions(self, request: Request) -> Sequence[Scored]:
        left, token = request.last or LAST, ""
        found: list[Scored] = []
        while left > 0:
            page = await self._queries.completions(
                request.job_id,
                size=min(left, 200),
                token=token,
                steps=(request.first_step, request.last_step),
            )
            found += page.items
            left, token = left - len(page.items), page.next_token
            if not token:
                break
        return found


def _batches(found: Iterable[Scored], *, whole: bool) -> Iterator[Sequence[Scored]]:
    """As many as one try takes; a reward that compares gets one group at a time, in order.

    Of a group that was cut by the end of what is read, at least two are left to compare.
    """
    if not whole:
        every = list(found)
        for start in range(0, len(every), MAX_TRIED):
            yield every[start : start + MAX_TRIED]
        return
    groups: dict[str, list[Scored]] = {}
    for each in found:
        groups.setdefault(each.group_id, []).append(each)
    for members in groups.values():
        if len(members) > 1:
            yield sorted(members, key=lambda each: each.completion_id)
