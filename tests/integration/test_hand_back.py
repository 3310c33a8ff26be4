"""Work that a worker leaves to another one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from burnish.bus import Bus, HandBack, topology
from burnish.config import ServiceSettings
from burnish.v1 import events_pb2


@pytest.fixture
def settings(nats_url: str) -> ServiceSettings:
    # So long that only what was handed back can come to another worker within a test's time.
    return ServiceSettings(nats_url=nats_url, ack_wait=60.0, drain_seconds=0.1)


@contextlib.asynccontextmanager
async def worker(
    settings: ServiceSettings,
    handle: Callable[[events_pb2.JobRequested], object],
    concurrency: int = 1,
) -> AsyncIterator[Bus]:
    bus = Bus(settings, "worker")
    bus.consume(topology.JOB_REQUESTED, handle, concurrency=concurrency)  # type: ignore[arg-type]
    await bus.start()
    try:
        yield bus
    finally:
        await bus.stop()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.02)


def request(number: int) -> events_pb2.JobRequested:
    return events_pb2.JobRequested(project="default", job_id=f"job-{number}")


async def test_what_is_handed_back_comes_to_another_worker(settings: ServiceSettings) -> None:
    done: list[str] = []

    async def leave(_: events_pb2.JobRequested) -> None:
        raise HandBack(aside=60)

    async def take(message: events_pb2.JobRequested) -> None:
        done.append(message.job_id)

    async with worker(settings, leave, 3) as bus, worker(settings, take):
        for number in range(5):
            await bus.publish(request(number), id=f"r{number}")
        await until(lambda: len(done) == 5)
    assert sorted(done) == [f"job-{number}" for number in range(5)]


async def test_being_handed_on_does_not_count_as_a_crash(settings: ServiceSettings) -> None:
    tries: list[str] = []

    async def handle(_: events_pb2.JobRequested) -> None:
        tries.append("")
        if len(tries) <= 5:
            raise HandBack
        if len(tries) == 6:
            raise RuntimeError("a bug that shows once")

    async with worker(settings, handle) as bus:
        await bus.publish(request(0), id="r0")
        await until(lambda: len(tries) == 7)
        letters = await bus.js.stream_info(topology.DEAD_LETTERS_STREAM.name)
        assert letters.state.messages == 0


async def test_a_draining_worker_has_time_to_hand_its_work_back(settings: ServiceSettings) -> None:
    places: list[str] = []

    async with contextlib.AsyncExitStack() as first_worker:
        buses: list[Bus] = []

        async def work_on(_: events_pb2.JobRequested) -> None:
            places.append("first")
            await buses[0].draining.wait()
            raise HandBack

        buses.append(await first_worker.enter_async_context(worker(settings, work_on, 4)))
        await buses[0].publish(request(0), id="r0")
        await until(lambda: places == ["first"])

        async def finish(_: events_pb2.JobRequested) -> None:
            places.append("second")

        async with worker(settings, finish, 2):
            await first_worker.aclose()
            await until(lambda: places == ["first", "second"])
