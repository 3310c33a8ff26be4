"""The groups of one job that are out: dispatched, awaited, given up.

Nothing waits for ever: when a job hears nothing at all for `group_seconds`, the groups that are
still missing completions end with what they have.
"""

import asyncio
import time
from contextlib import aclosing

from burnish.datasets import DatasetRow
from burnish.errors import UserError
from burnish.logs import get_logger
from burnish.spec import Sampling
from svc_learner.assembler import Assembler
from svc_learner.channel import Channel
from svc_learner.types import Cancellation, Completion, Group, Ticket

log = get_logger(__name__)


class GroupDesk:
    """`read` has to run next to whoever calls `wait`."""

    def __init__(self, channel: Channel, assembler: Assembler, *, group_seconds: float) -> None:
        self._channel = channel
        self._group_seconds = group_seconds
        self._inbox: asyncio.Queue[tuple[int, Completion | Cancellation]] = asyncio.Queue(1024)
        self._ended: list[Group] = []
        self._heard = time.monotonic()
        self.assembler = assembler

    @property
    def silence(self) -> float:
        """Seconds since a score came or a group was dispatched."""
        return time.monotonic() - self._heard

    @property
    def missing(self) -> int:
        """Groups that have not ended."""
        return len(self.assembler.running)

    async def read(self) -> None:
        """Follow the log of scores, for ever."""
        async with aclosing(self._channel.scores(self.assembler.cursor)) as scores:
            async for arrival in scores:
                await self._inbox.put(arrival)

    async def dispatch(self, ticket: Ticket, row: DatasetRow, sampling: Sampling) -> None:
        group = self.assembler.dispatch(ticket)
        self._heard = time.monotonic()
        if group is None:
            await self._channel.dispatch(ticket, row, sampling)
        else:  # sampled and scored in an earlier life of this learner
            self._ended.append(group)

    async def wait(self, timeout: float) -> list[Group]:  # noqa: ASYNC109 - a poll, not a deadline
        """Groups that ended; none if nothing came within `timeout` seconds (0 does not wait).

        Raises:
            UserError: a reward function failed, and the job says that this ends it.
        """
        if not self._ended and self._inbox.empty() and timeout:
            try:
                async with asyncio.timeout(timeout):
                    self._take(*await self._inbox.get())
            except TimeoutError:
                await self._give_up()
        while not self._inbox.empty():
            self._take(*self._inbox.get_nowait())
        ended, self._ended = self._ended, []
        return ended

    async def cancel(self, group_id: str, reason: str) -> Group | None:
        """End a group early, and tell whoever works on it."""
        group = self.assembler.cancel(group_id, reason)
        await self._channel.cancel_group(group_id, reason)
        return group

    def close(self, group: Group) -> None:
        """The group's effect is in the state that the next checkpoint holds."""
        self.assembler.close(group.id)

    def _take(self, sequence: int, arrival: Completion | Cancellation) -> None:
        self._heard = time.monotonic()
        if isinstance(arrival, Cancellation):
            group = self.assembler.cancel(arrival.group_id, arrival.reason, sequence)
        else:
            if arrival.fatal:
                raise UserError(f"A reward function failed: {arrival.message}", field="rewards")
            group = self.assembler.add(arrival, sequence)
        if group is not None:
            self._ended.append(group)

    async def _give_up(self) -> None:
        if self.silence < self._group_seconds:
            return
        for ticket in self.assembler.running:
            reason = f"no score came for {self._group_seconds:.0f} s"
            log.warning("group.given_up", group=ticket.group_id, reason=reason)
            group = await self.cancel(ticket.group_id, reason)
            if group is not None:
                self._ended.append(group)
