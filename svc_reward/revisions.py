"""Rewards by revision. A revision never changes, so what was fetched once is kept."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from burnish.errors import NotFoundError
from burnish.reward_spec import RewardDefinition

KEPT = 256

Fetch = Callable[[str, str], Awaitable[RewardDefinition | None]]
"""(name, revision) → definition, or None if there is no such revision."""


class Revisions:
    """A cache in front of the rewards bucket."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: OrderedDict[tuple[str, str], RewardDefinition] = OrderedDict()

    async def get(self, name: str, revision: str) -> RewardDefinition:
        """The definition of a revision.

        Raises:
            NotFoundError: there is no such revision.
            UserError: its definition cannot be used.
        """
        key = (name, revision)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        definition = await self._fetch(name, revision)
        if definition is None:
            raise NotFoundError(f"there is no reward {name} with revision {revision[:12]}")
        self._known[key] = definition
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return definition
