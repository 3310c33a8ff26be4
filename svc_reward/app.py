"""Wiring: completions in, scores out; and the try-it request."""

import asyncio
from collections.abc import AsyncIterator

from prometheus_client import Counter, Histogram

from burnish import rewards
from burnish.bus import Bucket, Bus, topology
from burnish.errors import RetryableError, UserError
from burnish.logs import get_logger
from burnish.service import Status
from burnish.v1 import events_pb2, infer_pb2, rewards_service_pb2
from svc_reward import codec, scoring
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, Function
from svc_reward.functions import Functions
from svc_reward.lane.wire import Status as ScoreStatus
from svc_reward.outcome import Outcome
from svc_reward.rate import Rate
from svc_reward.sandbox import Sandbox
from svc_reward.scoring import Reward, Score

log = get_logger(__name__)

MAX_TRIES = 64
"""Completions of one try-it request."""

SCORES = Counter("burnish_scores_total", "Scores.", ["status"])
SCORE_SECONDS = Histogram("burnish_score_seconds", "Wall seconds of one score.")


class RewardService:
    """Scores completions as they come, `reward_lanes` at a time."""

    def __init__(self, bus: Bus, settings: RewardSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._sandbox = Sandbox(settings)
        self._functions = Functions(self._source_of)
        self._sources: Bucket[rewards_service_pb2.Reward] | None = None
        self._rate = Rate()
        self._running = 0

    async def start(self) -> None:
        self._sources = await self._bus.kv(topology.REWARDS, rewards_service_pb2.Reward)
        await self._sandbox.open()
        self._bus.consume(
            topology.ROLLOUT_COMPLETED,
            self._score,
            concurrency=self._settings.reward_lanes,
            on_exhausted=self._give_up,
        )
        self._bus.respond(
            topology.REWARD_TRY, infer_pb2.TryRewardRequest, self._try, queue="reward"
        )

    async def stop(self) -> None:
        await self._sandbox.close()

    def status(self) -> Status:
        problem = self._sandbox.problem
        activity = f"scoring {self._running} completions" if self._running else "idle"
        return Status(
            activity=f"cannot score: {problem}" if problem else activity,
            ready=not problem,
            metrics={
                "lanes": float(self._settings.reward_lanes),
                "lanes_warm": float(self._sandbox.lanes),
                "scores_per_second": self._rate.per_second(),
            },
            details=dict(self._sandbox.describe()),
        )

    async def _score(self, message: events_pb2.RolloutCompleted) -> None:
        self._running += 1
        try:
            result = await self._scored(message)
        finally:
            self._running -= 1
        await self._bus.publish(result, id=message.completion_id)

    async def _scored(self, message: events_pb2.RolloutCompleted) -> events_pb2.RewardScored:
        case = codec.case_of(message.row, message.completion, message.context)
        scores: list[Score] = []
        for ref in message.rewards:
            try:
                function = await self._functions.get(ref.name, ref.revision)
            except UserError as error:
                # No later delivery could mend it, and no completion of this job can be scored.
                return codec.scored(message, scores, Reward(None, str(error), fatal=True))
            outcome = await self._evaluate(function, case)
            if outcome.status is ScoreStatus.SANDBOX_UNAVAILABLE:
                raise RetryableError(outcome.message)
            scores.append(Score(ref.name, ref.revision, ref.weight, outcome))
        return codec.scored(message, scores, scoring.combine(scores, codec.on_error(message)))

    async def _give_up(self, message: events_pb2.RolloutCompleted, reason: str) -> None:
        """Too many deliveries: the completion leaves its group; it does not score 0."""
        result = codec.scored(message, (), Reward(None, reason))
        await self._bus.publish(result, id=message.completion_id)

    async def _try(
        self, request: infer_pb2.TryRewardRequest
    ) -> AsyncIterator[infer_pb2.TryRewardResponse]:
        try:
            revision = rewards.revision_of(request.source)
            function = Function.parse(request.name, revision, request.source)
            cases = _pairs(request)
        except UserError as error:
            yield infer_pb2.TryRewardResponse(error=str(error))
            return
        outcomes = await asyncio.gather(*(self._evaluate(function, case) for case in cases))
        if outcomes and all(outcome.infrastructure for outcome in outcomes):
            yield infer_pb2.TryRewardResponse(error=outcomes[0].message)
            return
        yield infer_pb2.TryRewardResponse(verdicts=[codec.verdict(each) for each in outcomes])

    async def _evaluate(self, function: Function, case: Case) -> Outcome:
        outcome = await self._sandbox.evaluate(function, case)
        SCORES.labels(outcome.status.name.lower()).inc()
        SCORE_SECONDS.observe(outcome.seconds)
        self._rate.count()
        return outcome

    async def _source_of(self, name: str, revision: str) -> str | None:
        if self._sources is None:
            raise RetryableError("the rewards bucket is not open yet")
        found = await self._sources.get(f"{name}.{revision}")
        return None if found is None else found[0].source


def _pairs(request: infer_pb2.TryRewardRequest) -> list[Case]:
    """Each row with its completion; one row goes with all of them.

    Raises:
        UserError: their numbers do not match, or there are too many.
    """
    rows, completions = list(request.rows), list(request.completions)
    if len(rows) == 1:
        rows *= len(completions)
    if len(rows) != len(completions):
        raise UserError(
            f"{len(rows)} rows and {len(completions)} completions do not pair up",
            hint="one completion for each row, or one row for all",
        )
    if len(rows) > MAX_TRIES:
        raise UserError(
            f"{len(rows)} completions are too many to try at once", hint=f"≤ {MAX_TRIES}"
        )
    return [codec.case_of(row, text) for row, text in zip(rows, completions, strict=True)]
