"""However messages repeat and interleave, each dispatched group ends exactly once."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from learner_kit import completion, ticket

from svc_learner.pipeline.assembler import Assembler


def test_a_group_ends_with_its_last_completion_in_index_order() -> None:
    assembler = Assembler()
    assembler.dispatch(ticket(size=2))
    assert assembler.add(completion(index=1), 1) is None
    group = assembler.add(completion(index=0), 2)
    assert group is not None
    assert [c.index for c in group.completions] == [0, 1]
    assert not assembler.running


def test_a_repeated_completion_counts_once() -> None:
    assembler = Assembler()
    assembler.dispatch(ticket(size=2))
    assert assembler.add(completion(index=0, reward=1.0), 1) is None
    assert assembler.add(completion(index=0, reward=9.0), 2) is None
    group = assembler.add(completion(index=1), 3)
    assert group is not None
    assert group.completions[0].reward == 1.0


def test_cancelling_ends_a_group_with_what_it_has() -> None:
    assembler = Assembler()
    assembler.dispatch(ticket(size=3))
    assembler.add(completion(index=0), 1)
    group = assembler.cancel("job.rl.0", "sampling failed", 2)
    assert group is not None
    assert group.cancelled == "sampling failed"
    assert len(group.completions) == 1
    assert assembler.cancel("job.rl.0", "again", 3) is None
    assert assembler.add(completion(index=1), 4) is None


def test_the_cursor_stays_before_what_open_groups_need() -> None:
    assembler = Assembler(cursor=10)
    assembler.dispatch(ticket("job.rl.0", size=1))
    assembler.dispatch(ticket("job.rl.1", size=2))
    assembler.add(completion("job.rl.0"), 11)
    assembler.add(completion("job.rl.1"), 12)
    assert assembler.cursor == 10
    assembler.close("job.rl.0")
    assert assembler.cursor == 11
    assembler.cancel("job.rl.1", "stale", 13)
    assembler.close("job.rl.1")
    assert assembler.cursor == 13


def test_completions_of_an_earlier_life_wait_for_their_dispatch() -> None:
    assembler = Assembler(cursor=5, frontier={"job.rl": 3})
    assert assembler.add(completion("job.rl.2"), 6) is None, "closed before the checkpoint"
    assert assembler.add(completion("job.rl.3", 0), 7) is None
    assert assembler.add(completion("job.rl.3", 1), 8) is None
    assert assembler.cursor == 6
    group = assembler.dispatch(ticket("job.rl.3", size=2))
    assert group is not None
    assert len(group.completions) == 2


def test_the_oldest_policy_of_its_members_dates_a_group() -> None:
    assembler = Assembler()
    assembler.dispatch(ticket(size=2, version=4))
    assembler.add(completion(index=0, version=4), 1)
    group = assembler.add(completion(index=1, version=3), 2)
    assert group is not None
    assert group.policy_version == 3


@settings(max_examples=60)
@given(seed=st.integers(0, 10**6), crash_at=st.integers(0, 60))
def test_nothing_is_lost_or_used_twice_over_a_crash(seed: int, crash_at: int) -> None:
    """A log with duplicates, read twice: once until a crash, once from the checkpoint's cursor."""
    rng = random.Random(seed)
    names = [f"job.rl.{n}" for n in range(6)]
    sent = [completion(name, i) for name in names for i in range(3)]
    log = list(enumerate(rng.sample([*sent, *rng.choices(sent, k=9)], k=27), start=1))
    used: list[str] = []

    first = Assembler()
    for name in names:
        first.dispatch(ticket(name, size=3))
    saved = (first.cursor, dict(first.frontier), first.open, list(used))
    for sequence, item in log[:crash_at]:
        group = first.add(item, sequence)
        if group is not None:
            used.append(group.id)
            first.close(group.id)
            if rng.random() < 0.5:
                saved = (first.cursor, dict(first.frontier), first.open, list(used))

    cursor, frontier, tickets, used = saved
    second = Assembler(cursor=cursor, frontier=frontier)
    for each in tickets:
        assert second.dispatch(each) is None
    for sequence, item in log[cursor:]:
        group = second.add(item, sequence)
        if group is not None:
            used.append(group.id)
            second.close(group.id)
    assert sorted(used) == names
    assert second.cursor == 27
