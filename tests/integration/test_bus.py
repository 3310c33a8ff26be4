"""The bus against a real nats-server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from nats.aio.msg import Msg
from nats.js import JetStreamContext

from burnish.bus import Bus, topology
from burnish.config import ServiceSettings
from burnish.errors import ConflictError, RetryableError, UnavailableError, UserError
from burnish.stopping import stop
from burnish.v1 import common_pb2, events_pb2, infer_pb2, job_pb2


@pytest.fixture
def settings(nats_url: str) -> ServiceSettings:
    return ServiceSettings(nats_url=nats_url, ack_wait=1.0, drain_seconds=0.5)


@contextlib.asynccontextmanager
async def connected(settings: ServiceSettings, service: str = "test") -> AsyncIterator[Bus]:
    bus = Bus(settings, service)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.stop()


@pytest.fixture
async def bus(settings: ServiceSettings) -> AsyncIterator[Bus]:
    async with connected(settings) as bus:
        yield bus


def group(number: int) -> events_pb2.RolloutRequested:
    return events_pb2.RolloutRequested(
        project="default", job_id="job-1", group_id=f"job-1.rl.{number}", group_size=2
    )


async def test_each_message_is_handled_once_by_one_of_two_workers(
    bus: Bus, settings: ServiceSettings
) -> None:
    seen: list[str] = []

    async def handle(message: events_pb2.RolloutRequested) -> None:
        seen.append(message.group_id)

    async with connected(settings, "other") as other:
        bus.consume(topology.ROLLOUT_REQUESTED, handle, concurrency=2)
        other.consume(topology.ROLLOUT_REQUESTED, handle, concurrency=2)
        await bus.start()
        await other.start()
        for number in range(20):
            await bus.publish(group(number), id=f"g{number}")
            await bus.publish(group(number), id=f"g{number}")
        await until(lambda: len(seen) == 20)
        await asyncio.sleep(0.2)
    assert sorted(seen) == sorted(group(number).group_id for number in range(20))


async def test_infrastructure_failures_are_retried_until_they_pass(bus: Bus) -> None:
    tries: list[float] = []

    async def handle(_: events_pb2.RolloutRequested) -> None:
        tries.append(asyncio.get_running_loop().time())
        if len(tries) < 2:
            raise RetryableError("the engine is not there yet")

    bus.consume(topology.ROLLOUT_REQUESTED, handle)
    await bus.start()
    await bus.publish(group(0), id="g0")
    await until(lambda: len(tries) == 2)
    assert tries[1] - tries[0] >= 0.9


async def test_bad_input_becomes_a_dead_letter_and_ends_its_group(bus: Bus) -> None:
    ended: list[str] = []

    async def handle(_: events_pb2.RolloutRequested) -> None:
        raise UserError("no such row", field="row")

    async def end(message: events_pb2.RolloutRequested, reason: str) -> None:
        ended.append(f"{message.group_id}: {reason}")

    bus.consume(topology.ROLLOUT_REQUESTED, handle, on_exhausted=end)
    await bus.start()
    await bus.publish(group(0), id="g0")
    entry = await anext(bus.read(topology.DEAD_LETTERS_STREAM))
    letter = entry.message
    assert isinstance(letter, events_pb2.DeadLetter)
    assert letter.reason == "row: no such row"
    assert events_pb2.RolloutRequested.FromString(letter.payload) == group(0)
    assert ended == ["job-1.rl.0: row: no such row"]
    info = await bus.js.stream_info(topology.ROLLOUTS_STREAM.name)
    assert info.state.messages == 0


async def test_bytes_that_nobody_can_read_become_a_dead_letter(bus: Bus) -> None:
    async def handle(_: events_pb2.RolloutRequested) -> None:
        raise AssertionError("must not be called")

    bus.consume(topology.ROLLOUT_REQUESTED, handle)
    await bus.start()
    await bus.js.publish("burnish.v1.rollout.requested.default.job-1", b"\xff\xff")
    entry = await anext(bus.read(topology.DEAD_LETTERS_STREAM))
    assert "content type" in entry.message.reason  # type: ignore[attr-defined]


async def test_long_work_stays_with_its_worker_and_moves_on_when_the_worker_drains(
    bus: Bus, settings: ServiceSettings
) -> None:
    starts: list[str] = []
    release = asyncio.Event()

    def handler(name: str) -> object:
        async def handle(_: events_pb2.RolloutRequested) -> None:
            starts.append(name)
            await release.wait()

        return handle

    async with connected(settings, "first") as first:
        first.consume(topology.ROLLOUT_REQUESTED, handler("first"))  # type: ignore[arg-type]
        await first.start()
        await bus.publish(group(0), id="g0")
        await until(lambda: starts == ["first"])
        bus.consume(topology.ROLLOUT_REQUESTED, handler("second"))  # type: ignore[arg-type]
        await bus.start()
        # Three times the redelivery time: the heartbeat keeps it.
        await asyncio.sleep(3)
        assert starts == ["first"]
    await until(lambda: starts == ["first", "second"])
    release.set()


async def test_large_messages_travel_by_claim_check(bus: Bus) -> None:
    message = events_pb2.RolloutCompleted(
        project="default", job_id="job-1", completion_id="c", completion="x" * 3_000_000
    )
    await bus.publish(message, id="c")
    entry = await anext(bus.read(topology.COMPLETIONS_STREAM))
    assert entry.message == message


async def test_reading_resumes_behind_a_sequence_and_filters_by_subject(bus: Bus) -> None:
    for step in range(1, 6):
        for job in ("job-1", "job-2"):
            event = events_pb2.StepCompleted(project="default", job_id=job, step=step)
            await bus.publish(event, id=f"{job}.{step}")
    subject = topology.step_completed.subject("default", "job-2")
    entries = bus.read(topology.EVENTS_STREAM, subjects=[subject])
    first = [await anext(entries) for _ in range(3)]
    await entries.aclose()
    rest = bus.read(topology.EVENTS_STREAM, subjects=[subject], after=first[-1].sequence)
    second = [await anext(rest) for _ in range(2)]
    await rest.aclose()
    assert [entry.message.step for entry in first + second] == [1, 2, 3, 4, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize("lost", [2, 4])
async def test_a_reader_misses_nothing_that_is_lost_on_the_way(
    bus: Bus, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    """In the middle, and at the end, where nothing comes behind it."""
    monkeypatch.setattr("burnish.bus.log.POLL_SECONDS", 0.2)
    fetch = JetStreamContext.PullSubscription.fetch
    dropped: list[Msg] = []

    async def lossy(
        subscription: JetStreamContext.PullSubscription, size: int, **wait: float
    ) -> list[Msg]:
        batch = await fetch(subscription, size, **wait)
        kept = [msg for msg in batch if dropped or msg.metadata.sequence.stream != lost]
        dropped.extend(msg for msg in batch if msg not in kept)
        if not kept:
            raise TimeoutError
        return kept

    monkeypatch.setattr(JetStreamContext.PullSubscription, "fetch", lossy)
    for step in range(1, 5):
        event = events_pb2.StepCompleted(project="default", job_id="job-1", step=step)
        await bus.publish(event, id=f"step:{step}")
    entries = bus.read(topology.EVENTS_STREAM)
    found = [(await anext(entries)).sequence for _ in range(4)]
    await entries.aclose()
    assert found == [1, 2, 3, 4]
    assert len(dropped) == 1


async def test_compare_and_set(bus: Bus) -> None:
    jobs = await bus.kv(topology.JOBS, job_pb2.DesiredJob)
    revision = await jobs.create("job-1", job_pb2.DesiredJob(id="job-1"))
    with pytest.raises(ConflictError):
        await jobs.create("job-1", job_pb2.DesiredJob(id="job-1"))
    await jobs.update("job-1", job_pb2.DesiredJob(id="job-1", cancelled=True), revision)
    with pytest.raises(ConflictError):
        await jobs.update("job-1", job_pb2.DesiredJob(id="job-1"), revision)
    assert (await jobs.items())[0][1].cancelled


async def test_entries_are_listed_while_somebody_writes(bus: Bus) -> None:
    """Nor does listing leave anything on the server."""
    services = await bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
    await services.put("serve.gone", events_pb2.ServiceStatus())
    await services.delete("serve.gone")
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await services.put("serve.one", events_pb2.ServiceStatus(instance="one"))
            beats += 1

    await services.put("learner.one", events_pb2.ServiceStatus(instance="one"))
    await services.put("serve.one", events_pb2.ServiceStatus(instance="one"))
    beating = asyncio.create_task(beat())
    try:
        for _ in range(500):
            assert [key for key, _ in await services.items()] == ["learner.one", "serve.one"]
            assert [key for key, _ in await services.items("serve.*")] == ["serve.one"]
    finally:
        await stop([beating])
    assert beats > 500
    assert await services.items("no key.>") == await services.items("..") == []
    info = await bus.js.stream_info(f"KV_{topology.SERVICES.name}")
    assert info.state.consumer_count == 0


async def test_blobs_are_checked(bus: Bus) -> None:
    ref = await bus.blobs.put(topology.OBJECTS_ADAPTERS, "a/b:v1", b"weights" * 100_000)
    assert await bus.blobs.get(ref) == b"weights" * 100_000
    ref.sha256 = "0" * 64
    with pytest.raises(RetryableError, match="not what was stored"):
        await bus.blobs.get(ref)


async def test_requests_stream_their_replies_and_say_why_they_fail(bus: Bus) -> None:
    async def answer(request: infer_pb2.GenerateRequest) -> AsyncIterator[infer_pb2.GenerateChunk]:
        if request.n == 0:
            raise UserError("must be at least 1", field="n", hint="1 to 64")
        for index in range(request.n):
            yield infer_pb2.GenerateChunk(index=index)

    subject = topology.infer_generate("tiny")
    bus.respond(subject, infer_pb2.GenerateRequest, answer, queue="serve")
    await bus.start()

    async def ask(n: int, to: str = subject) -> list[int]:
        request = infer_pb2.GenerateRequest(n=n, sampling=common_pb2.SamplingParams())
        return [c.index async for c in bus.request(to, request, infer_pb2.GenerateChunk)]

    assert await ask(3) == [0, 1, 2]
    with pytest.raises(UserError, match=r"^n: must be at least 1 \(1 to 64\)$"):
        await ask(0)
    with pytest.raises(UnavailableError, match="no service instance answers"):
        await ask(1, topology.infer_generate("other"))


async def until(condition: object, timeout: float = 10.0) -> None:  # noqa: ASYNC109
    async with asyncio.timeout(timeout):
        while not condition():  # type: ignore[operator] # noqa: ASYNC110
            await asyncio.sleep(0.02)
