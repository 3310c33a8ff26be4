import asyncio
import contextlib

from burnish.stopping import stop


async def slow_to_end(seconds: float) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.sleep(seconds)


async def swallow_once() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()
    await asyncio.Event().wait()


async def test_a_swallowed_cancellation_is_repeated() -> None:
    task = asyncio.create_task(swallow_once())
    await asyncio.sleep(0)
    await stop([task])
    assert task.cancelled()


async def test_who_is_stopped_while_it_stops_others_leaves_none_behind() -> None:
    inner = asyncio.create_task(slow_to_end(0.05))

    async def outer() -> None:
        try:
            await asyncio.wait([inner])
        finally:
            await stop([inner])

    task = asyncio.create_task(outer())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.01)
    await stop([task])
    assert inner.done()
    assert task.cancelled()
