"""Ending asyncio tasks for certain."""

import asyncio
from collections.abc import Iterable
from typing import Any


async def stop(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until it works, and swallow what the tasks end with.

    Once may not be enough: before Python 3.12, `asyncio.wait_for` can swallow a cancellation that
    arrives together with its result, and the NATS client waits that way. Whoever is cancelled while
    it stops others (it may be one of the tasks of another `stop`) stops them first.
    """
    tasks = list(tasks)
    cancelled: asyncio.CancelledError | None = None
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        try:
            await asyncio.wait(pending, timeout=0.2)
        except asyncio.CancelledError as error:
            cancelled = error
    await asyncio.gather(*tasks, return_exceptions=True)
    if cancelled is not None:
        raise cancelled
