"""Equal kernels are judged once."""

import asyncio
from collections.abc import Callable

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.contract import Case
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.recall import Recall, key_of

RIGHT = Outcome(Status.OK, 1.0, seconds=0.2, cpu_ms=170.0, parts={"correct": 1.0}, seed=7)


class Bench:
    """Judges by giving what it is told, and counts."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes)
        self.judged = 0

    async def __call__(self) -> Outcome:
        self.judged += 1
        await asyncio.sleep(0)
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


async def test_a_known_verdict_costs_nothing() -> None:
    recall, bench = Recall(), Bench(RIGHT)

    first = await recall.outcome("a", bench)
    again = await recall.outcome("a", bench)

    assert bench.judged == 1
    assert first == RIGHT
    assert (again.value, again.parts, again.seed) == (1.0, {"correct": 1.0}, 7)
    assert (again.seconds, again.cpu_ms) == (0.0, 0.0)


async def test_who_asks_meanwhile_waits_for_the_verdict() -> None:
    recall, bench = Recall(), Bench(RIGHT)

    found = await asyncio.gather(*(recall.outcome("a", bench) for _ in range(8)))

    assert bench.judged == 1
    assert [each.value for each in found] == [1.0] * 8


async def test_another_kernel_does_not_wait() -> None:
    recall, started = Recall(), asyncio.Event()

    async def slow() -> Outcome:
        started.set()
        await asyncio.Event().wait()
        return RIGHT

    waiting = asyncio.create_task(recall.outcome("a", slow))
    await started.wait()

    assert (await recall.outcome("b", Bench(RIGHT))).value == 1.0
    waiting.cancel()


async def test_who_gives_up_leaves_the_next_to_judge() -> None:
    recall, started = Recall(), asyncio.Event()

    async def slow() -> Outcome:
        started.set()
        await asyncio.Event().wait()
        return RIGHT

    first = asyncio.create_task(recall.outcome("a", slow))
    await started.wait()
    second = asyncio.create_task(recall.outcome("a", Bench(RIGHT)))
    first.cancel()

    assert (await second).value == 1.0


@pytest.mark.parametrize("status", [Status.TIMEOUT, Status.LANE_ERROR, Status.SANDBOX_UNAVAILABLE])
async def test_faults_are_not_kept(status: Status) -> None:
    recall, bench = Recall(), Bench(Outcome(status), RIGHT)

    assert (await recall.outcome("a", bench)).status is status
    assert (await recall.outcome("a", bench)).value == 1.0


async def test_the_least_used_is_forgotten() -> None:
    recall, bench = Recall(capacity=2), Bench(RIGHT)

    for key in ("a", "b", "a", "c", "a", "b"):
        await recall.outcome(key, bench)

    assert bench.judged == 4  # a, b, c, and b again


def definition(trials: int = 3) -> RewardDefinition:
    return RewardDefinition.parse({"preset": "triton", "options": {"trials": trials}})


DIFFERENT: list[Callable[[], tuple[RewardDefinition, Case]]] = [
    lambda: (definition(), Case("p", "out = x", {"task": "t"})),
    lambda: (definition(trials=1), Case("p", "out = x", {"task": "t"})),
    lambda: (definition(), Case("p", "out = y", {"task": "t"})),
    lambda: (definition(), Case("p", "out = x", {"task": "u"})),
    lambda: (definition(), Case("p", "out = x", {"task": "t", "shapes": "[]"})),
]


def test_whatever_a_verdict_follows_from_is_in_its_key() -> None:
    keys = [key_of(*make()) for make in DIFFERENT]

    assert len(set(keys)) == len(keys)
    assert keys == [key_of(*make()) for make in DIFFERENT]
