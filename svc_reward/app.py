"""Wiring: completions in, scores out; and the try-it request."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

from prometheus_client import Counter, Histogram

from burnish.bus import Bucket, Bus, topology
from burnish.errors import RetryableError, UserError
from burnish.logs import get_logger
from burnish.reward_spec import RewardDefinition
from burnish.service import Status
from burnish.stopwatch import Stopwatch
from burnish.v1 import events_pb2, infer_pb2, rewards_service_pb2
from svc_reward import codec, scoring
from svc_reward.config import RewardSettings
from svc_reward.contract import Case
from svc_reward.graders import Graders
from svc_reward.judge import Judge
from svc_reward.lane.wire import Status as ScoreStatus
from svc_reward.outcome import Outcome
from svc_reward.packages import Packages
from svc_reward.rate import Rate
from svc_reward.recall import Recall
from svc_reward.revisions import Revisions
from svc_reward.sandbox import Sandbox
from svc_reward.scoring import Reward, Score
from svc_reward.secrets_folder import Secrets
from svc_reward.served_models import ServedModels

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
        graders = Graders(self._sandbox, ServedModels(bus))
        self._judge = Judge(
            self._sandbox,
            graders,
            Packages(settings.reward_packages),
            Secrets(settings.reward_secrets),
            # Speed is measured anew each time.
            None if settings.lane_gpus else Recall(),
        )
        self._revisions = Revisions(self._definition_of)
        self._definitions: Bucket[rewards_service_pb2.Reward] | None = None
        self._rate = Rate()
        self._running = 0

    async def start(self) -> None:
        self._definitions = await self._bus.kv(topology.REWARDS, rewards_service_pb2.Reward)
        await self._sandbox.open()
        self._bus.consume(
            topology.ROLLOUT_COMPLETED,
            self._score,
            concurrency=self._settings.reward_lanes,
            on_exhausted=self._give_up,
        )
        self._bus.consume(
            topology.GROUP_COMPLETED,
            self._score_group,
            concurrency=self._settings.reward_lanes,
            on_exhausted=self._give_up_group,
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
        watch = _begun(message)
        with self._busy(1):
            result = await self._scored(message)
        await self._publish(result, watch)

    async def _publish(self, result: events_pb2.RewardScored, watch: Stopwatch) -> None:
        result.seconds, result.waited_seconds = watch.seconds, watch.waited
        await self._bus.publish(result, id=codec.message_id(result.completion))

    async def _score_group(self, message: events_pb2.GroupCompleted) -> None:
        """A group that some reward compares: its other rewards judge each completion as ever."""
        watch = _begun(message.completions[0])
        with self._busy(len(message.completions)):
            compared = await self._compared(message.completions)
            results = await asyncio.gather(
                *(
                    self._scored(
                        completion, {name: found[index] for name, found in compared.items()}
                    )
                    for index, completion in enumerate(message.completions)
                )
            )
        for result in results:
            await self._publish(result, watch)

    async def _compared(
        self, completions: Sequence[events_pb2.RolloutCompleted]
    ) -> Mapping[str, Sequence[Outcome]]:
        """Outcomes of the rewards that compare, by name, one for each completion."""
        first = completions[0]
        case = codec.case_of(first.row, "", first.context)
        texts = [completion.completion for completion in completions]
        found: dict[str, Sequence[Outcome]] = {}
        for ref in first.rewards:
            if not ref.group:
                continue
            try:
                definition = await self._revisions.get(ref.name, ref.revision)
                outcomes = await self._judge.evaluate_group(
                    definition, case, texts, project=first.project
                )
            except UserError:
                continue  # `_scored` meets it again, and says it for each completion
            found[ref.name] = [_counted(self._rate, each) for each in outcomes]
        return found

    async def _scored(
        self, message: events_pb2.RolloutCompleted, known: Mapping[str, Outcome] | None = None
    ) -> events_pb2.RewardScored:
        case = codec.case_of(message.row, message.completion, message.context)
        scores: list[Score] = []
        for ref in message.rewards:
            outcome = (known or {}).get(ref.name)
            if outcome is None:
                try:
                    definition = await self._revisions.get(ref.name, ref.revision)
                    outcome = await self._evaluate(definition, case, message.project)
                except UserError as error:
                    # No later delivery could mend it, and no completion of this job can be scored.
                    return codec.scored(message, scores, Reward(None, str(error), fatal=True))
            if outcome.status is ScoreStatus.SANDBOX_UNAVAILABLE:
                raise RetryableError(outcome.message)
            scores.append(Score(ref.name, ref.revision, ref.weight, outcome))
        return codec.scored(message, scores, scoring.combine(scores, codec.on_error(message)))

    async def _give_up(self, message: events_pb2.RolloutCompleted, reason: str) -> None:
        """Too many deliveries: the completion leaves its group; it does not score 0."""
        await self._publish(codec.scored(message, (), Reward(None, reason)), _begun(message))

    async def _give_up_group(self, message: events_pb2.GroupCompleted, reason: str) -> None:
        for completion in message.completions:
            await self._give_up(completion, reason)

    async def _try(
        self, request: infer_pb2.TryRewardRequest
    ) -> AsyncIterator[infer_pb2.TryRewardResponse]:
        try:
            definition = RewardDefinition.from_proto(request.definition)
            outcomes = await self._tried(definition, request)
        except UserError as error:
            yield infer_pb2.TryRewardResponse(
                error=error.message, field=error.field, hint=error.hint
            )
            return
        except RetryableError as error:
            yield infer_pb2.TryRewardResponse(error=error.message, retryable=True)
            return
        if outcomes and all(outcome.infrastructure for outcome in outcomes):
            yield infer_pb2.TryRewardResponse(error=outcomes[0].message, retryable=True)
            return
        yield infer_pb2.TryRewardResponse(verdicts=[codec.verdict(each) for each in outcomes])

    async def _tried(
        self, definition: RewardDefinition, request: infer_pb2.TryRewardRequest
    ) -> Sequence[Outcome]:
        """One row with several completions is a group; without rows nothing runs."""
        if not request.rows:
            self._judge.check(definition, request.project)
            return ()
        if definition.group and len(request.rows) == 1:
            case = codec.case_of(request.rows[0], "")
            texts = list(request.completions)[:MAX_TRIES]
            return await self._judge.evaluate_group(
                definition, case, texts, project=request.project
            )
        cases = _pairs(request)
        return await asyncio.gather(
            *(self._evaluate(definition, case, request.project) for case in cases)
        )

    async def _evaluate(self, definition: RewardDefinition, case: Case, project: str) -> Outcome:
        return _counted(self._rate, await self._judge.evaluate(definition, case, project=project))

    async def _definition_of(self, name: str, revision: str) -> RewardDefinition | None:
        if self._definitions is None:
            raise RetryableError("the rewards bucket is not open yet")
        found = await self._definitions.get(f"{name}.{revision}")
        return None if found is None else RewardDefinition.from_proto(found[0].definition)

    @contextlib.contextmanager
    def _busy(self, completions: int) -> Iterator[None]:
        self._running += completions
        try:
            yield
        finally:
            self._running -= completions


def _begun(message: events_pb2.RolloutCompleted) -> Stopwatch:
    """Work on a completion begins now."""
    watch = Stopwatch.since(message.time)
    watch.begin()
    return watch


def _counted(rate: Rate, outcome: Outcome) -> Outcome:
    SCORES.labels(outcome.status.name.lower()).inc()
    SCORE_SECONDS.observe(outcome.seconds)
    rate.count()
    return outcome


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
