"""The handover of a standby, without a lane around it."""

import os
import socket
from collections.abc import Iterator

import pytest

from svc_reward.lane import standby
from svc_reward.lane.broker import Broker
from svc_reward.lane.processes import Process
from svc_reward.lane.roles import Role
from svc_reward.lane.settings import LaneSettings
from svc_reward.lane.standby import WARM, Standby
from svc_reward.lane.wire import Limits

LIMITS = Limits(wall=7.0, memory=5)


class Pair:
    """A standby as the broker has it, and the process's end of its channel."""

    def __init__(self, uid: int = 1003) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.standby = Standby(wanted=True)
        self.standby.adopt(Process(Role.STANDBY, uid, float("inf"), 0, pid=77), ours)
        self.null = os.open("/dev/null", os.O_RDWR)
        self.ends = [self.null] * standby.ENDS

    def close(self) -> None:
        self.standby.drop()
        self.theirs.close()
        os.close(self.null)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.close()


def test_a_cold_one_takes_no_job(pair: Pair) -> None:
    assert not pair.standby.is_warm()
    assert pair.standby.hand_over(LIMITS, pair.ends) is None
    assert pair.standby.pids == {77}


def test_a_warm_one_takes_one_job(pair: Pair) -> None:
    pair.theirs.send(WARM.pack(2.5))
    process = pair.standby.hand_over(LIMITS, pair.ends)
    assert process is not None
    assert process.cpu_before == 2.5
    assert pair.standby.process is None
    assert pair.standby.hand_over(LIMITS, pair.ends) is None
    message, received, _, _ = socket.recv_fds(pair.theirs, 100, 8)
    assert Limits(*standby.HANDOVER.unpack(message)) == LIMITS
    assert len(received) == standby.ENDS
    for descriptor in received:
        os.close(descriptor)


@pytest.mark.parametrize("warm", [False, True])
def test_a_dead_one_takes_no_job_and_is_known_until_its_end_is(pair: Pair, *, warm: bool) -> None:
    if warm:
        pair.theirs.send(WARM.pack(2.5))
        assert pair.standby.is_warm()
    pair.theirs.close()
    assert pair.standby.hand_over(LIMITS, pair.ends) is None
    assert not pair.standby.is_warm()
    assert pair.standby.pids == {77}
    pair.standby.drop()
    assert pair.standby.pids == frozenset()


def test_one_whose_lane_is_gone_ends() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    with theirs:
        assert standby.await_job(theirs) is None


def test_its_uid_is_nobody_elses(pair: Pair) -> None:
    broker = Broker(LaneSettings(first_uid=1000, uids=8, standby=True))
    broker._standby = pair.standby
    assert {broker._next_uid() for _ in range(40)} == set(range(1000, 1008)) - {1003}
    pair.standby.drop()
    assert 1003 in {broker._next_uid() for _ in range(8)}


def test_cpu_time_counts_from_the_handover() -> None:
    assert standby.cpu_limit(LIMITS) == 8
    assert standby.cpu_limit(LIMITS, spent=2.5) == 11
