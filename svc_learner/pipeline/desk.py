"""The groups of one job that are out: dispatched, awaited, given up.

Nothing waits for ever: when a job hears nothing at all for `group_seconds`, the groups that are
still missing completions end with what they have.
"""

import asyncio
import contextlib
import time

from burnish.datasets import DatasetRow
from burnish.errors import UserError
from burnish.logs import get_logger
from burnish.stage_spec import Sampling
from svc_learner.channel import Channel
from svc_learner.pipeline.assembler import Assembler
from svc_learner.pipeline.clock import Sampled
from svc_learner.pipeline.repeats import Disturbance, Repeats, disturbance
from svc_learner.pipeline.timing import Arrival
from svc_learner.types import Cancellation, Completion, Group, Ticket

log = get_logger(__name__)

_Arrived = tuple[float, int, Completion | Cancellation]


class GroupDesk:
    """`read` has to run next to whoever calls `wait`."""

    def __init__(
        self, channel: Channel, assembler: Assembler, *, group_seconds: float, whole: bool = False
    ) -> None:
        """`whole`: a group that the infrastructure disturbs is asked for again, see `disturbed`."""
        self._channel = channel
        self._group_seconds = group_seconds
        self._whole = whole
        self._repeats = Repeats()
        self._inbox: asyncio.Queue[_Arrived | None] = asyncio.Queue(1024)
        self._arrivals: dict[str, Arrival] = {}
        self.sampled = Sampled()
        self._ended: list[Group] = []
        self._heard = time.monotonic()
        self._tokens = 0
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
        async with contextlib.aclosing(self._channel.scores(self.assembler.cursor)) as scores:
            async for sequence, arrival in scores:
                await self._inbox.put((time.monotonic(), sequence, arrival))

    async def dispatch(self, ticket: Ticket, row: DatasetRow, sampling: Sampling) -> None:
        group = self.assembler.dispatch(ticket)
        self._heard = time.monotonic()
        if group is None:
            await self._channel.dispatch(ticket, row, sampling)
        else:  # sampled and scored in an earlier life of this learner
            self._ended.append(group)

    async def wait(self, timeout: float) -> list[Group]:  # noqa: ASYNC109 - a poll, not a deadline
        """Groups that ended; none if nothing came within `timeout` seconds (0 does not wait), or `nudge` did.

        Raises:
            UserError: a reward function failed, and the job says that this ends it.
        """
        if not self._ended and self._inbox.empty() and timeout:
            try:
                async with asyncio.timeout(timeout):
                    self._take(await self._inbox.get())
            except TimeoutError:
                await self._give_up()
        while not self._inbox.empty():
            self._take(self._inbox.get_nowait())
        ended, self._ended = self._ended, []
        return ended

    def nudge(self) -> None:
        """Let `wait` return: something else has happened."""
        with contextlib.suppress(asyncio.QueueFull):  # then it returns anyway
            self._inbox.put_nowait(None)

    async def cancel(self, group_id: str, reason: str) -> Group | None:
        """End a group early, and tell whoever works on it."""
        group = self.assembler.cancel(group_id, reason)
        await self._channel.cancel_group(group_id, reason)
        return group

    def disturbed(self) -> list[tuple[Ticket, Disturbance]]:
        """Groups to ask for again now."""
        found = []
        for each in self._repeats.take(self.assembler.awaited):
            ticket = self.assembler.ticket(each.group_id)
            if ticket is not None:
                found.append((ticket, each))
        return found

    async def dispatch_again(
        self, ticket: Ticket, row: DatasetRow, sampling: Sampling, *, attempt: int
    ) -> None:
        self._heard = time.monotonic()
        await self._channel.dispatch_again(ticket, row, sampling, attempt=attempt)

    def last_arrival(self, group: Group) -> Arrival | None:
        """The completion that ended the group's wait, if it came in this learner's life."""
        return self._arrivals.get(group.id)

    def close(self, group: Group) -> None:
        """The group's effect is in the state that the next checkpoint holds."""
        self.assembler.close(group.id)
        self._arrivals.pop(group.id, None)
        self._tokens += group.length

    def take_tokens(self) -> int:
        """Tokens of the groups closed since it was asked last."""
        tokens, self._tokens = self._tokens, 0
        return tokens

    def _take(self, arrived: _Arrived | None) -> None:
        if arrived is None:
            return
        at, sequence, arrival = arrived
        self._heard = time.monotonic()
        reason = disturbance(arrival) if self._whole else ""
        if reason:
            self.assembler.disturb(arrival.group_id, sequence)
            self._repeats.add(
                Disturbance(arrival.group_id, sequence, reason), attempt=arrival.attempt
            )
            return
        if isinstance(arrival, Cancellation):
            group = self.assembler.cancel(arrival.group_id, arrival.reason, sequence)
        else:
            if arrival.fatal:
                raise UserError(f"A reward function failed: {arrival.message}", field="rewards")
            group = self.assembler.add(arrival, sequence)
            self._note(Arrival(at, arrival.timing), arrival.group_id)
        if group is not None:
            self._ended.append(group)

    def _note(self, arrival: Arrival, group_id: str) -> None:
        self.sampled.add(arrival)
        if self.assembler.arrived(group_id):
            self._arrivals[group_id] = arrival

    async def _give_up(self) -> None:
        if self.silence < self._group_seconds:
            return
        for ticket in self.assembler.running:
            reason = f"no score came for {self._group_seconds:.0f} s"
            if self._whole:
                self._repeats.add(Disturbance(ticket.group_id, int(time.time()), reason))
                continue
            log.warning("group.given_up", group=ticket.group_id, reason=reason)
            group = await self.cancel(ticket.group_id, reason)
            if group is not None:
                self._ended.append(group)
