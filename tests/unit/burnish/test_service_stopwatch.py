"""Seconds under way, told apart from seconds of work."""

import time

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from burnish.stopwatch import Stopwatch


def noted(seconds_ago: float) -> Timestamp:
    stamp = Timestamp()
    stamp.FromNanoseconds(int((time.time() - seconds_ago) * 1e9))
    return stamp


def test_it_runs_since_the_time_that_was_noted() -> None:
    watch = Stopwatch.since(noted(5))
    watch.begin()
    assert watch.waited == pytest.approx(5, abs=1)
    assert watch.seconds >= watch.waited


@pytest.mark.parametrize("stamp", [Timestamp(), noted(-60)], ids=["unset", "a clock ahead"])
def test_without_a_usable_time_it_runs_since_now(stamp: Timestamp) -> None:
    assert Stopwatch.since(stamp).seconds == pytest.approx(0, abs=1)
