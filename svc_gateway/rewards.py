"""Reward functions: immutable sources, tried in the sandbox before they count."""

from collections.abc import Sequence

from burnish import rewards as source_rules
from burnish.bus import Bus, topology
from burnish.datasets import DatasetRow
from burnish.errors import NotFoundError, RetryableError, UnavailableError, UserError
from burnish.v1 import infer_pb2, rewards_service_pb2
from svc_gateway import codec
from svc_gateway.pages import Page, page_of
from svc_gateway.store import Store

Reward = rewards_service_pb2.Reward
Verdict = infer_pb2.RewardVerdict
MAX_TRIED = 64


class Rewards:
    """Create, list, read, try."""

    def __init__(self, store: Store, bus: Bus, *, project: str) -> None:
        self._store = store
        self._bus = bus
        self._project = project

    async def create(self, name: str, source: str) -> Reward:
        """A new revision, or the one that has this source already, which becomes the newest.

        Raises:
            UserError: the name or the source cannot be a reward's.
        """
        source_rules.check_name(name)
        source_rules.check_source(source)
        reward = Reward(
            name=name,
            revision=source_rules.revision_of(source),
            project=self._project,
            source=source,
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
        keys = await self._store.rewards.keys()
        wanted = [
            key
            for key in keys
            if key.partition(".")[0] == name and revision in ("", key.partition(".")[2])
        ]
        found = [hit[0] for key in wanted if (hit := await self._store.rewards.get(key))]
        if found:
            return max(found, key=_time)
        names = sorted({key.partition(".")[0] for key in keys})
        what = f"revision {revision[:12]} of reward {name!r}" if revision else f"reward {name!r}"
        raise NotFoundError(
            f"there is no {what}",
            field=field,
            hint=f"known rewards: {', '.join(names)}" if names else "create it first",
        )

    async def test(
        self, source: str, rows: Sequence[DatasetRow], completions: Sequence[str] = ()
    ) -> Sequence[Verdict]:
        """Score one completion for each row, in the sandbox.

        Without `completions`, the rows' own ones are scored.

        Raises:
            UserError: the source cannot be a reward, nothing is there to score, or it does not load.
            UnavailableError: no reward service answers.
        """
        source_rules.check_source(source)
        if not completions:
            rows = [row for row in rows if row.completion is not None]
            completions = [row.completion or "" for row in rows]
        if not rows:
            raise UserError(
                "no row has a completion to score",
                field="completions",
                hint="send one for each row, or rows with a `completion` column",
            )
        if len(rows) != len(completions):
            raise UserError(
                f"{len(completions)} completions do not match {len(rows)} rows",
                field="completions",
                hint="send one for each row",
            )
        return await self._ask(source, rows[:MAX_TRIED], completions[:MAX_TRIED])

    async def _ask(
        self, source: str, rows: Sequence[DatasetRow], completions: Sequence[str]
    ) -> Sequence[Verdict]:
        request = infer_pb2.TryRewardRequest(
            name="reward",
            source=source,
            rows=[codec.prompt_row(row) for row in rows],
            completions=completions,
        )
        verdicts: list[Verdict] = []
        try:
            async for reply in self._bus.request(
                topology.REWARD_TRY, request, infer_pb2.TryRewardResponse
            ):
                if reply.error:
                    raise UserError(reply.error, field="source")
                verdicts.extend(reply.verdicts)
        except UnavailableError:
            raise UnavailableError(
                "no reward service answers: start one with `python -m svc_reward` or `burnish up`"
            ) from None
        if len(verdicts) != len(rows):
            raise RetryableError("the reward service ended before all completions were scored")
        return verdicts


def _time(reward: Reward) -> int:
    return reward.created_at.ToNanoseconds()
