"""Verdicts on kernels that are known already.

A policy that learns writes the same kernel for a row more and more often, and judging one costs more
than sampling it. Where kernels are interpreted, the verdict on equal text is the same whenever it is
asked for, so it is asked for once. Where a GPU times them it is not, and nothing is recalled.
"""

import asyncio
import hashlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from weakref import WeakValueDictionary

from burnish.reward_spec import RewardDefinition
from svc_reward.contract import Case
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome

CAPACITY = 4096


class Recall:
    """The newest `capacity` verdicts, by `key_of`."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._known: OrderedDict[str, Outcome] = OrderedDict()
        self._judging: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def outcome(self, key: str, judge: Callable[[], Awaitable[Outcome]]) -> Outcome:
        """The known verdict, which cost no time, or else what `judge` says.

        Who asks while it is being judged waits for that verdict. Faults are not kept: a timeout, or
        a lane that failed, may end otherwise the next time.
        """
        lock = self._judging.setdefault(key, asyncio.Lock())
        async with lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return replace(known, seconds=0.0, cpu_ms=0.0)
            found = await judge()
            if found.status is Status.OK:
                self._keep(key, found)
            return found

    def _keep(self, key: str, found: Outcome) -> None:
        self._known[key] = found
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)


def key_of(definition: RewardDefinition, case: Case) -> str:
    """Of everything that a kernel's verdict follows from."""
    parts = [definition.revision, case.prompt, case.completion, sorted(case.example.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
