"""Pacing, assembly and order together, under any interleaving of what can happen to a stage.

The machine is the stage's loop without its math: groups are dispatched, scored in any order, once or
twice, cancelled, judged useful or not, used, cut into steps; and the learner dies at any moment and
another one reads the log again behind the last checkpoint. Whatever happened, the bounds hold, and
the stage can be driven to its end.
"""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from learner_kit import completion

from svc_learner.pipeline.assembler import Assembler
from svc_learner.pipeline.order import InTurn, OnArrival, Order
from svc_learner.pipeline.pacing import Pacing, is_stale
from svc_learner.types import Cancellation, Completion, Group, Ticket

SIZE, STEPS = 2, 4
SERIES = "job.rl"


@dataclass
class Log:
    """What services leave behind; it outlives every learner."""

    entries: list[Completion | Cancellation] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    """Group → the policy that it was asked for with, at its first dispatch."""

    def finish(self, group_id: str) -> None:
        """Write what is still missing of a group; what is there never comes again."""
        mine = [entry for entry in self.entries if entry.group_id == group_id]
        if any(isinstance(entry, Cancellation) for entry in mine):
            return
        there = {entry.index for entry in mine if isinstance(entry, Completion)}
        for index in set(range(SIZE)) - there:
            self.score(group_id, index)

    def score(self, group_id: str, index: int) -> None:
        self.entries.append(completion(group_id, index, 1.0, version=self.asked[group_id]))


@dataclass
class Saved:
    """A checkpoint."""

    step: int = 0
    drawn: int = 0
    cursor: int = 0
    open: tuple[Ticket, ...] = ()
    learned: tuple[str, ...] = ()


class Stage(RuleBasedStateMachine):
    @initialize(
        batch=st.integers(1, 3),
        staleness=st.integers(0, 3),
        groups=st.integers(1, 8),
        resample=st.sampled_from([0.5, 1.0, 3.0]),
        in_turn=st.booleans(),
    )
    def begin(
        self, batch: int, staleness: int, groups: int, resample: float, *, in_turn: bool
    ) -> None:
        self.pacing = Pacing(batch, STEPS, staleness, groups, resample)
        self.in_turn = in_turn
        self.log, self.saved = Log(), Saved()
        self.live()

    def live(self) -> None:
        """A learner takes over at the checkpoint that stands."""
        saved = self.saved
        self.assembler = Assembler(cursor=saved.cursor, frontier={SERIES: saved.drawn})
        for ticket in saved.open:
            self.assembler.dispatch(ticket)
        self.position = saved.cursor
        self.step, self.drawn = saved.step, saved.drawn
        first = min((ticket.number for ticket in saved.open), default=saved.drawn)
        self.order: Order = InTurn(first) if self.in_turn else OnArrival()
        self.ready: list[Group] = []
        self.used: list[Group] = []
        self.unusable = 0

    @property
    def over(self) -> bool:
        return self.step == STEPS

    @precondition(lambda self: not self.over)
    @rule()
    def fill(self) -> None:
        free = self.pacing.capacity(
            step=self.step,
            used=len(self.used),
            ready=len(self.ready),
            running=len(self.assembler.running) + len(self.order),
        )
        for _ in range(free):
            ticket = Ticket(f"{SERIES}.{self.drawn}", 0, SIZE, self.step)
            self.drawn += 1
            self.log.asked.setdefault(ticket.group_id, self.step)
            ended = self.assembler.dispatch(ticket)
            if ended is not None:
                self.order.add(ended)

    @precondition(lambda self: self.log.asked)
    @rule(data=st.data(), index=st.integers(0, SIZE - 1), times=st.integers(1, 2))
    def score(self, data: st.DataObject, index: int, times: int) -> None:
        group_id = data.draw(st.sampled_from(sorted(self.log.asked)))
        for _ in range(times):
            self.log.score(group_id, index)

    @precondition(lambda self: self.log.asked)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        group_id = data.draw(st.sampled_from(sorted(self.log.asked)))
        self.log.entries.append(Cancellation(group_id, "the engine is gone", failed=True))

    @rule(count=st.integers(1, 8))
    def read(self, count: int) -> None:
        for entry in self.log.entries[self.position : self.position + count]:
            self.position += 1
            if isinstance(entry, Cancellation):
                ended = self.assembler.cancel(entry.group_id, entry.reason, self.position)
            else:
                ended = self.assembler.add(entry, self.position)
            if ended is not None:
                self.order.add(ended)

    @precondition(lambda self: not self.over)
    @rule(useful=st.booleans())
    def judge(self, useful: bool) -> None:  # noqa: FBT001 (hypothesis draws it)
        if self.in_turn and self.ready:
            return
        group = self.order.next()
        if group is None:
            return
        if useful and len(group.completions) == SIZE:
            self.ready.append(group)
        else:
            self.unusable += 1
            self.assembler.close(group.id)

    @precondition(lambda self: self.ready and not self.over)
    @rule()
    def use(self) -> None:
        group = min(self.ready, key=lambda each: each.policy_version)
        self.ready.remove(group)
        if is_stale(self.step, group.policy_version, self.pacing.max_staleness):
            self.assembler.close(group.id)
            return
        self.used.append(group)
        if self.pacing.cut(used=len(self.used), unusable=self.unusable):
            self.cut()

    def cut(self) -> None:
        for group in self.used:
            self.assembler.close(group.id)
        self.step += 1
        self.saved = Saved(
            self.step,
            self.drawn,
            self.assembler.cursor,
            self.assembler.open,
            (*self.saved.learned, *(group.id for group in self.used)),
        )
        self.used, self.unusable = [], 0

    @precondition(lambda self: not self.over)
    @rule(groups=st.integers(1, 3))
    def work(self, groups: int) -> None:
        """What mostly happens: some of the oldest groups come back whole, and are learned from."""
        self.fill()
        for ticket in self.assembler.running[:groups]:
            self.log.finish(ticket.group_id)
        self.read(len(self.log.entries))
        self.learn()

    def learn(self) -> None:
        """From all that is here."""
        while not self.over:
            before = (len(self.order), len(self.ready))
            self.judge(useful=True)
            if self.ready:
                self.use()
            self.no_more_is_in_flight_than_staleness_allows()
            if before == (len(self.order), len(self.ready)):
                return

    @rule()
    def crash(self) -> None:
        self.live()

    @invariant()
    def no_group_is_learned_from_twice(self) -> None:
        learned = [*self.saved.learned, *(group.id for group in self.used)]
        assert len(learned) == len(set(learned))

    @invariant()
    def no_more_is_in_flight_than_staleness_allows(self) -> None:
        if self.over:
            return
        flying = len(self.assembler.running) + len(self.order) + len(self.ready) + len(self.used)
        assert flying <= (self.pacing.max_staleness + 1) * self.pacing.batch
        for group in self.used:
            assert self.step - group.policy_version <= self.pacing.max_staleness

    def teardown(self) -> None:
        """No deadlock: from here on what is missing is scored, and the stage ends."""
        if not hasattr(self, "pacing"):
            return
        for _ in range(200):
            if self.over:
                return
            self.fill()
            for ticket in self.assembler.running:
                self.log.finish(ticket.group_id)
            self.read(len(self.log.entries))
            self.learn()
        raise AssertionError("the stage does not end")


TestStage = Stage.TestCase
TestStage.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
