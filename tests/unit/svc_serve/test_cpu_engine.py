"""The engine's thread behind the asynchronous protocol."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tiny_models import MakeAdapter, MakeCore

from burnish.errors import NotFoundError, SetupError, UnavailableError, UserError
from svc_serve.cpu.core import EngineCore
from svc_serve.cpu.engine import CpuEngine
from svc_serve.engine import FinishReason, GenerateJob, Sampling, TokenDelta


@pytest.fixture
async def engine(make_core: MakeCore) -> AsyncIterator[CpuEngine]:
    engine = CpuEngine(make_core)
    await engine.start()
    yield engine
    await engine.stop()


def job(name: str, n: int = 2, max_tokens: int = 6, **more: object) -> GenerateJob:
    sampling = Sampling(temperature=3.0, max_tokens=max_tokens, seed=1)
    return GenerateJob(name, (5, 9, 23), n, sampling, **more)  # type: ignore[arg-type]


async def collect(engine: CpuEngine, job: GenerateJob) -> list[TokenDelta]:
    return [delta async for delta in engine.generate(job)]


async def test_requests_run_side_by_side(engine: CpuEngine) -> None:
    first, second = await asyncio.gather(
        collect(engine, job("a")), collect(engine, job("b", stream=False))
    )
    assert sum(delta.finish_reason is not None for delta in first) == 2
    assert len(second) == 2
    joined = [
        token
        for index in (0, 1)
        for delta in first
        if delta.index == index
        for token in delta.token_ids
    ]
    assert joined == [
        token for delta in sorted(second, key=lambda d: d.index) for token in delta.token_ids
    ]
    stats = engine.stats()
    assert stats.running_rows == stats.waiting_rows == 0
    assert stats.generated_tokens == 2 * len(joined)
    assert stats.tokens_per_second > 0


async def test_an_adapter_is_loaded_used_and_forgotten(
    engine: CpuEngine, make_adapter: MakeAdapter
) -> None:
    await engine.load_adapter("x:v1", make_adapter(4))
    assert engine.stats().adapters == ("x:v1",)
    tuned = await collect(engine, job("a", adapter="x:v1"))
    assert [d.token_ids for d in tuned] != [d.token_ids for d in await collect(engine, job("b"))]
    await engine.unload_adapter("x:v1")
    await engine.unload_adapter("x:v1")
    with pytest.raises(NotFoundError):
        await collect(engine, job("c", adapter="x:v1"))


async def test_bad_requests_and_bad_adapters_do_no_harm(
    engine: CpuEngine, make_adapter: MakeAdapter
) -> None:
    with pytest.raises(UserError, match="rank 65"):
        await engine.load_adapter("x:v1", make_adapter(5, rank=65, targets=["q_proj"]))
    with pytest.raises(UserError):
        await collect(engine, GenerateJob("a", (), 1, Sampling()))
    assert await collect(engine, job("b"))


async def test_cancelling_ends_the_stream_with_the_reason(engine: CpuEngine) -> None:
    endless = job("a", n=3, max_tokens=10**6)
    deltas = engine.generate(endless)
    await anext(deltas)
    engine.cancel("a")
    ends = [delta.finish_reason async for delta in deltas if delta.finish_reason]
    assert FinishReason.CANCELLED in ends
    engine.cancel("a")


async def test_leaving_the_stream_cancels_the_request(engine: CpuEngine) -> None:
    deltas = engine.generate(job("a", max_tokens=10**6))
    await anext(deltas)
    await deltas.aclose()
    async with asyncio.timeout(5):
        while engine.stats().running_rows:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_failing_step_fails_its_requests_and_the_engine_lives_on(
    engine: CpuEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(_: EngineCore) -> None:
        raise MemoryError("no room")

    with monkeypatch.context() as patch:
        patch.setattr(EngineCore, "step", out_of_memory)
        with pytest.raises(UnavailableError, match="no room"):
            await collect(engine, job("a"))
    assert await collect(engine, job("b"))


async def test_a_model_that_cannot_run_says_so_at_start() -> None:
    def refuse() -> EngineCore:
        raise SetupError("not this one")

    engine = CpuEngine(refuse)
    with pytest.raises(SetupError, match="not this one"):
        await engine.start()
    await engine.stop()


async def test_nothing_is_taken_after_stop(make_core: MakeCore) -> None:
    engine = CpuEngine(make_core)
    await engine.start()
    await engine.stop()
    with pytest.raises(UnavailableError):
        await collect(engine, job("a"))
