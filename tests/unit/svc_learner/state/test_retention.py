"""Which checkpoints stay, and when a job rests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.budgets import Usage
from burnish.run_spec import Budget, Checkpoints
from svc_learner.rest import Rest
from svc_learner.state.retention import Marks, reasons

STEPS = st.lists(st.integers(1, 60), unique=True)


def test_each_reason_keeps_a_checkpoint() -> None:
    found = reasons(
        [2, 3, 4, 5, 6, 7, 8],
        ends={3},
        marks=Marks(best=5, evaluated={7}),
        config=Checkpoints(every_steps=2, keep=2),
    )
    assert found == {
        8: ("newest", "periodic"),
        7: ("evaluation",),
        6: ("periodic",),
        5: ("best",),
        3: ("stage",),
    }


def test_the_newest_may_end_its_stage() -> None:
    found = reasons([4, 5], ends=(), marks=Marks(ends_stage=True), config=Checkpoints())
    assert found == {5: ("newest", "stage")}


@given(STEPS, st.sets(st.integers(1, 60)), st.integers(0, 5), st.integers(1, 4))
def test_the_newest_stays_and_no_more_than_is_asked_for(
    steps: list[int], ends: set[int], every: int, keep: int
) -> None:
    config = Checkpoints(every_steps=every, keep=keep)
    found = reasons(steps, ends, Marks(), config)
    assert list(found) == sorted(found, reverse=True)
    assert set(found) <= set(steps)
    assert (max(steps) in found) if steps else not found
    assert sum("periodic" in why for why in found.values()) <= keep
    assert all(why for why in found.values())
    # What one commit drops, no later one would have kept.
    again = reasons([*found, 61], ends, Marks(), config)
    whole = reasons([*steps, 61], ends, Marks(), config)
    assert again == whole


@pytest.mark.parametrize("stepping", [True, False])
def test_a_budget_comes_before_wishes_and_an_alarm_before_the_owner(*, stepping: bool) -> None:
    rest = Rest()
    assert rest.due(Usage(), stepping=stepping) is None
    rest.owner = True
    rest.request("the reward is gamed")
    rest.request("it is gamed still")
    due = rest.due(Usage(), stepping=stepping)
    assert due is not None
    assert due.message("job-1") == ("the reward is gamed; go on with `burnish jobs resume job-1`")
    rest.budget = Budget(seconds=1)
    due = rest.due(Usage(seconds=2), stepping=stepping)
    assert due is not None
    assert due.message("job-1").endswith("`burnish jobs resume job-1 --seconds <more>`")
