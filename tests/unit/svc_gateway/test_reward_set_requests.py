"""Which set of rewards a request asks for."""

import pytest

from burnish.errors import ConflictError, UserError
from burnish.v1 import common_pb2, job_pb2, jobs_service_pb2
from svc_gateway import reward_updates
from svc_gateway.reward_updates import repeats_newest, sets_of, wanted

Request = jobs_service_pb2.UpdateJobRewardsRequest


def ref(name: str, weight: float = 1) -> common_pb2.RewardRef:
    return common_pb2.RewardRef(name=name, revision="0" * 64, weight=weight)


def job(*names: str) -> job_pb2.DesiredJob:
    """A job whose n-th set has the n-th reward alone."""
    found = job_pb2.DesiredJob(spec=job_pb2.JobSpec(rewards=[ref(names[0])]))
    for number, name in enumerate(names, 1):
        found.reward_sets.add(number=number, rewards=[ref(name)], from_step=1)
    return found


def roll_back(sets: list[job_pb2.RewardSet], to: int = 0) -> job_pb2.RewardSet:
    return wanted(sets, Request(rollback_to=to), ())


def test_the_specs_rewards_are_the_first_set() -> None:
    plain = job_pb2.DesiredJob(spec=job_pb2.JobSpec(rewards=[ref("a")]))
    (first,) = sets_of(plain)
    assert (first.number, [each.name for each in first.rewards]) == (1, ["a"])


def test_an_update_is_the_next_set() -> None:
    new = wanted(sets_of(job("a", "b")), Request(at_step=7, reason="why"), [ref("c", 0)])
    assert (new.number, new.from_step, new.reason, new.repeats) == (3, 7, "why", 0)
    assert new.rewards[0].weight == 0


def test_each_rollback_goes_one_further_back() -> None:
    sets = sets_of(job("a", "b", "c"))
    for repeated, name in ((2, "b"), (1, "a")):
        sets.append(roll_back(sets))
        assert (sets[-1].repeats, sets[-1].rewards[0].name) == (repeated, name)
    with pytest.raises(UserError, match="the first"):
        roll_back(sets)


def test_a_rollback_to_a_stated_set() -> None:
    sets = sets_of(job("a", "b", "c"))
    assert roll_back(sets, 1).rewards[0].name == "a"
    with pytest.raises(UserError, match="no set 9") as caught:
        roll_back(sets, 9)
    assert caught.value.field == "rollback_to"


def test_the_same_update_again_is_recognised() -> None:
    sets = sets_of(job("a"))
    assert repeats_newest(sets, wanted(sets, Request(), [ref("a")]))
    sets.append(wanted(sets, Request(at_step=5), [ref("b")]))
    assert repeats_newest(sets, wanted(sets, Request(at_step=5), [ref("b")]))
    assert not repeats_newest(sets, wanted(sets, Request(at_step=6), [ref("b")]))
    assert not repeats_newest(sets, wanted(sets, Request(at_step=5), [ref("b", 0.5)]))


def test_a_set_that_the_caller_has_not_seen_is_a_conflict() -> None:
    with pytest.raises(ConflictError, match="set 2 is the newest"):
        reward_updates._check_newest(sets_of(job("a", "b")), 1)
