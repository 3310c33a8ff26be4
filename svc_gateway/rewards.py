"""Rewards: immutable definitions, tried in the sandbox before they count."""

from collections.abc import Sequence

from burnish.bus import Bus, topology
from burnish.bus.rpc import IDLE_TIMEOUT
from burnish.datasets import DatasetRow
from burnish.errors import NotFoundError, RetryableError, UnavailableError, UserError
from burnish.logs import get_logger
from burnish.reward_lint import lint
from burnish.reward_spec import RewardDefinition
from burnish.rewards import check_name
from burnish.v1 import infer_pb2, rewards_service_pb2
from svc_gateway import codec
from svc_gateway.pages import Page, page_of
from svc_gateway.store import Store

Reward = rewards_service_pb2.Reward
Verdict = infer_pb2.RewardVerdict
MAX_TRIED = 64
CHECK_SECONDS = 5.0
"""A creation waits no longer for a reward service that is silent."""

log = get_logger(__name__)


class Rewards:
    """Create, list, read, try."""

    def __init__(self, store: Store, bus: Bus, *, project: str) -> None:
        self._store = store
        self._bus = bus
        self._project = project

    async def create(self, name: str, definition: RewardDefinition) -> Reward:
        """A new revision, or the one that is defined so already, which becomes the newest.

        Raises:
            UserError: the name cannot be a reward's, or a reward service answers and has not what
                the definition names.
        """
        await self._check_usable(definition)
        reward = Reward(
            name=check_name(name),
            revision=definition.revision,
            project=self._project,
            definition=definition.to_proto(),
            warnings=warnings_of(definition),
        )
        reward.created_at.GetCurrentTime()
        await self._store.rewards.put(f"{name}.{reward.revision}", reward)
        return reward

    async def list(self, *, size: int = 0, token: str = "") -> Page[Reward]:
        """The newest revision of each name, by name."""
        newest: dict[str, Reward] = {}
        for _, reward in await self._store.rewards.items():
            known = newest.get(reward.name)
            if known is None or _time(known) < _time(reward):
                newest[reward.name] = reward
        rewards = [newest[name] for name in sorted(newest)]
        return page_of(rewards, lambda reward: reward.name, size=size, token=token)

    async def get(self, name: str, revision: str = "", *, field: str = "name") -> Reward:
        """One revision, or the newest of a name.

        Raises:
            NotFoundError: there is none; says which names exist.
        """
        revisions = [reward for _, reward in await self._store.rewards.items(f"{name}.*")]
        found = [
            reward
            for reward in revisions
            if reward.name == name and revision in ("", reward.revision)
        ]
        if found:
            return max(found, key=_time)
        names = sorted({reward.name for _, reward in await self._store.rewards.items()})
        what = f"revision {revision[:12]} of reward {name!r}" if revision else f"reward {name!r}"
        raise NotFoundError(
            f"there is no {what}",
            field=field,
            hint=f"known rewards: {', '.join(names)}" if names else "create it first",
        )

    async def test(
        self,
        definition: RewardDefinition,
        rows: Sequence[DatasetRow],
        completions: Sequence[str] = (),
    ) -> Sequence[Verdict]:
        """Score one completion for each row, or several of one row, in the sandbox.

        Without `completions`, the rows' own ones are scored.

        Raises:
            UserError: nothing is there to score, or the reward cannot be used here.
            RetryableError: the reward service fails.
            UnavailableError: no reward service answers.
        """
        if not completions:
            rows = [row for row in rows if row.completion is not None]
            completions = [row.completion or "" for row in rows]
        if not rows:
            raise UserError(
                "no row has a completion to score",
                field="completions",
                hint="send one for each row, or rows with a `completion` column",
            )
        if len(rows) not in {1, len(completions)}:
            raise UserError(
                f"{len(completions)} completions do not match {len(rows)} rows",
                field="completions",
                hint="send one for each row, or one row for all",
            )
        return await self._ask(definition, rows[:MAX_TRIED], completions[:MAX_TRIED])

    async def _check_usable(self, definition: RewardDefinition) -> None:
        """Ask for what it names: packages, secrets, limits. Without a service, the trial will."""
        try:
            await self._ask(definition, (), (), patience=CHECK_SECONDS)
        except (UnavailableError, RetryableError) as error:
            log.info("reward.not_checked", reason=str(error))

    async def _ask(
        self,
        definition: RewardDefinition,
        rows: Sequence[DatasetRow],
        completions: Sequence[str],
        *,
        patience: float = IDLE_TIMEOUT,
    ) -> Sequence[Verdict]:
        request = infer_pb2.TryRewardRequest(
            name="reward",
            definition=definition.to_proto(),
            rows=[codec.prompt_row(row) for row in rows],
            completions=completions,
            project=self._project,
        )
        verdicts: list[Verdict] = []
        try:
            async for reply in self._bus.request(
                topology.REWARD_TRY,
                request,
                infer_pb2.TryRewardResponse,
                idle_timeout=patience,
            ):
                _check(reply, definition)
                verdicts.extend(reply.verdicts)
        except UnavailableError:
            raise UnavailableError(
                "no reward service answers: start one with `python -m svc_reward` or `burnish up`"
            ) from None
        if len(verdicts) != len(completions):
            raise RetryableError("the reward service ended before all completions were scored")
        return verdicts


def warnings_of(definition: RewardDefinition) -> list[rewards_service_pb2.RewardWarning]:
    """What a reader of its source would raise an eyebrow at."""
    if definition.source is None:
        return []
    return [
        rewards_service_pb2.RewardWarning(**remark._asdict())
        for remark in lint(definition.source, definition.packages)
    ]


def _check(reply: infer_pb2.TryRewardResponse, definition: RewardDefinition) -> None:
    if reply.retryable:
        raise RetryableError(reply.error)
    if reply.error:
        raise UserError(reply.error, field=reply.field or definition.kind, hint=reply.hint)


def _time(reward: Reward) -> int:
    return reward.created_at.ToNanoseconds()
