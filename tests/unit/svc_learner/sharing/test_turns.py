"""Fair turns of several jobs on one base model."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_learner.sharing.turns import FairQueue, Turn

COSTS = {"large": 500, "small": 20, "odd": 77}


def fill(queue: FairQueue[str], job: str, count: int, cost: int) -> None:
    for number in range(count):
        queue.push(job, cost, f"{job}{number}")


def test_a_job_keeps_its_own_order() -> None:
    queue: FairQueue[str] = FairQueue()
    fill(queue, "a", 5, 10)
    assert [queue.pop().work for _ in range(5)] == [f"a{number}" for number in range(5)]
    with pytest.raises(IndexError):
        queue.pop()


def test_jobs_are_served_by_tokens_and_not_by_pieces() -> None:
    queue: FairQueue[str] = FairQueue()
    fill(queue, "large", 10, 500)
    fill(queue, "small", 100, 50)
    served: Counter[str] = Counter()
    for _ in range(55):
        turn = queue.pop()
        served[turn.job] += turn.cost
    assert served == {"large": 2500, "small": 2500}


def test_an_idle_job_saves_no_credit_up() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("late", 10, "first")
    queue.pop()
    fill(queue, "busy", 100, 10)
    for _ in range(50):
        queue.pop()
    fill(queue, "late", 50, 10)
    jobs = [queue.pop().job for _ in range(20)]
    assert jobs.count("late") == 10


@given(st.data())
def test_waiting_jobs_never_differ_by_more_than_one_piece_of_each(data: st.DataObject) -> None:
    queue: FairQueue[str] = FairQueue()
    served: Counter[str] = Counter()
    for job, cost in COSTS.items():
        fill(queue, job, 200, cost)
    for _ in range(data.draw(st.integers(1, 200))):
        turn = queue.pop()
        served[turn.job] += turn.cost
        for one in COSTS:
            for other in COSTS:
                assert served[one] - served[other] <= max(COSTS.values())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 300)), max_size=60), st.data())
def test_everything_is_served_once_whatever_comes_when(
    pieces: list[tuple[str, int]], data: st.DataObject
) -> None:
    queue: FairQueue[int] = FairQueue()
    found: list[Turn[int]] = []
    for number, (job, cost) in enumerate(pieces):
        queue.push(job, cost, number)
        if data.draw(st.booleans()):
            found.append(queue.pop())
            found += queue.pop_with(found[-1], 512, lambda _: True)
    while len(queue):
        found.append(queue.pop())
    assert sorted(turn.work for turn in found) == list(range(len(pieces)))
    for job in "abc":
        numbers = [turn.number for turn in found if turn.job == job]
        assert numbers == sorted(numbers)


def test_work_that_fits_is_done_together() -> None:
    queue: FairQueue[str] = FairQueue()
    queue.push("a", 200, "a0")
    queue.push("b", 400, "b0")
    queue.push("c", 250, "c0")
    queue.push("d", 50, "alone")
    queue.push("e", 60, "e0")
    first = queue.pop()
    more = queue.pop_with(first, 512, lambda turn: turn.work != "alone")
    assert [turn.work for turn in (first, *more)] == ["a0", "c0", "e0"]
    assert [queue.pop().work for _ in range(2)] == ["b0", "alone"]


def test_joining_early_is_paid_for() -> None:
    """Whoever rides along is charged as if it had had a turn of its own."""
    queue: FairQueue[str] = FairQueue()
    fill(queue, "a", 4, 100)
    fill(queue, "b", 4, 100)
    queue.pop_with(queue.pop(), 400, lambda _: True)
    queue.push("c", 100, "c0")
    assert queue.pop().job == "c"


def test_riding_along_ends_in_no_debt_without_bound() -> None:
    """Room that only the rider fits into is not held against it later."""
    queue: FairQueue[str] = FairQueue()
    fill(queue, "driver", 50, 10)
    fill(queue, "long", 100, 1000)
    fill(queue, "rider", 10_000, 20)
    for _ in range(51):
        queue.pop_with(queue.pop(), 1000, lambda turn: turn.job == "rider")
    jobs = [queue.pop().job for _ in range(50)]
    assert jobs.index("rider") <= 3


def test_dropped_work_costs_nothing() -> None:
    queue: FairQueue[str] = FairQueue()
    dropped = queue.push("a", 1000, "a0")
    queue.push("a", 10, "a1")
    queue.push("b", 10, "b0")
    assert queue.drop(dropped)
    assert not queue.drop(dropped)
    assert [queue.pop().work for _ in range(2)] == ["a1", "b0"]
    queue.push("a", 10, "a2")
    assert [turn.work for turn in queue.forget("a")] == ["a2"]
    assert len(queue) == 0
