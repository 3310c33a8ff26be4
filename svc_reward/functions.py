"""Reward functions by revision. A revision never changes, so what was fetched once is kept."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from burnish.errors import NotFoundError
from svc_reward.contract import Function

KEPT = 256

Fetch = Callable[[str, str], Awaitable[str | None]]
"""(name, revision) → source, or None if there is no such revision."""


class Functions:
    """A cache in front of the rewards bucket."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: OrderedDict[tuple[str, str], Function] = OrderedDict()

    async def get(self, name: str, revision: str) -> Function:
        """The function, ready to be called.

        Raises:
            NotFoundError: there is no such revision.
            UserError: its source holds no reward function.
        """
        key = (name, revision)
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        source = await self._fetch(name, revision)
        if source is None:
            raise NotFoundError(f"there is no reward {name} with revision {revision[:12]}")
        function = Function.parse(name, revision, source)
        self._known[key] = function
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return function
