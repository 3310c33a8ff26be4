"""Which learner runs which job."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svc_learner.sharing.placement import PATIENCE, Peer, give_away, leave_it

M = "m"
IDLE = Peer("idle", slots=4)
WARM = Peer("warm", holds=frozenset({M}), slots=4)


def busy(jobs: int, name: str = "busy") -> Peer:
    return Peer(name, holds=frozenset({M}), jobs=jobs, slots=max(jobs, 4))


@pytest.mark.parametrize(
    ("me", "other", "leaves"),
    [
        (IDLE, WARM, True),
        (WARM, IDLE, False),
        (IDLE, busy(1), False),
        (busy(1), IDLE, True),
        (busy(2), busy(1, "less"), True),
        (busy(1), busy(1, "same"), False),
        (IDLE, replace(WARM, jobs=4), False),
        (IDLE, replace(WARM, draining=True), False),
        (IDLE, replace(WARM, bound=frozenset({"x"})), False),
        (replace(IDLE, bound=frozenset({"x"})), busy(4), True),
    ],
)
def test_an_offered_job_goes_where_the_burden_is_least(
    me: Peer, other: Peer, *, leaves: bool
) -> None:
    assert leave_it(M, me, [other], offered=0) is leaves


def test_patience_ends_but_not_for_what_a_learner_is_not_bound_to() -> None:
    assert leave_it(M, IDLE, [WARM], offered=PATIENCE)
    assert not leave_it(M, IDLE, [WARM], offered=PATIENCE + 1)
    assert leave_it(M, replace(IDLE, bound=frozenset({"x"})), [WARM], offered=PATIENCE + 1)


def test_a_learner_gives_the_first_job_that_somebody_can_take() -> None:
    other = Peer("other", bound=frozenset({"n"}), slots=4)
    assert give_away([("a", M), ("b", "n")], busy(2), [other], waiting=0) == "b"
    assert give_away([("a", M)], busy(2), [other], waiting=0) is None
    assert give_away([("a", M)], busy(2), [IDLE], waiting=0) == "a"


def test_a_learner_keeps_its_jobs() -> None:
    jobs = [("a", M)]
    assert give_away(jobs, busy(1), [IDLE], waiting=0) is None, "its only one"
    assert give_away(jobs, busy(2), [IDLE], waiting=1) is None, "the idle one takes a waiting one"
    assert give_away(jobs, busy(2), [IDLE, busy(3, "more")], waiting=0) is None, "others have more"
    assert give_away(jobs, busy(2), [busy(1, "less")], waiting=0) is None, "nothing would be gained"
    assert give_away(jobs, busy(2), [replace(IDLE, draining=True)], waiting=0) is None


@given(st.lists(st.integers(0, 8), min_size=2, max_size=5))
def test_moves_come_to_an_end_in_balance(counts: list[int]) -> None:
    peers = [replace(busy(jobs, f"p{number}"), slots=16) for number, jobs in enumerate(counts)]
    for _ in range(sum(counts) + 1):
        giver = next((p for p in peers if moves(p, peers)), None)
        if giver is None:
            break
        taker = taker_of(giver, peers)
        peers = [replace(p, jobs=p.jobs - (p is giver) + (p is taker)) for p in peers]
    else:
        pytest.fail("jobs go round and round")
    assert max(p.jobs for p in peers) - min(p.jobs for p in peers) <= 1


def moves(peer: Peer, peers: list[Peer]) -> bool:
    others = [p for p in peers if p is not peer]
    return give_away([("job", M)], peer, others, waiting=0) is not None


def taker_of(giver: Peer, peers: list[Peer]) -> Peer:
    """Whoever does not leave the job to somebody else."""
    now = [replace(p, jobs=p.jobs - (p is giver)) for p in peers]
    takers = [p for p in now if not leave_it(M, p, [o for o in now if o is not p], offered=0)]
    assert takers
    taker = next(p for p, after in zip(peers, now, strict=True) if after is takers[0])
    assert taker is not giver
    return taker
