"""`EngineCore` in a thread of its own, behind the `Engine` protocol.

The thread owns the core. The event loop hands it work through a queue of commands and gets events
back in one call per step, so neither ever waits for the other.
"""

import asyncio
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

import torch

from burnish import logs
from burnish.errors import BurnishError, UnavailableError
from svc_serve.cpu.core import EngineCore, Event
from svc_serve.engine import EngineStats, GenerateJob, TokenDelta
from svc_serve.rate import Rate

log = logs.get_logger(__name__)

Command = Callable[[EngineCore], Sequence[Event]]
Update = TokenDelta | BurnishError


class CpuEngine:
    """The built-in engine. Despite its name it also runs on a CUDA device."""

    def __init__(self, create: Callable[[], EngineCore]) -> None:
        """Prepare an engine; `create` runs in its thread, at start."""
        self._create = create
        self._commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._updates: dict[str, asyncio.Queue[Update]] = {}
        self._ready: Future[EngineCore] = Future()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._core: EngineCore | None = None
        self._rate = Rate()
        self._stopping = False

    @property
    def max_context(self) -> int:
        return self._started().max_context

    async def start(self) -> None:
        """Load the weights in the engine's thread.

        Raises:
            SetupError: The engine does not run this model.
        """
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        self._core = await asyncio.wrap_future(self._ready)

    async def stop(self) -> None:
        """Cancel everything and end the thread."""
        self._stopping = True
        if self._thread.is_alive():
            self._commands.put(EngineCore.cancel_all)
            self._commands.put(None)
            await asyncio.to_thread(self._thread.join)

    async def generate(self, job: GenerateJob) -> AsyncGenerator[TokenDelta, None]:
        """See `Engine.generate`."""
        self._started()
        updates: asyncio.Queue[Update] = asyncio.Queue()
        self._updates[job.request_id] = updates
        unfinished = job.n
        try:
            self._commands.put(lambda core: self._submit(core, job))
            while unfinished:
                update = await updates.get()
                if isinstance(update, BurnishError):
                    raise update
                unfinished -= update.finish_reason is not None
                yield update
        finally:
            del self._updates[job.request_id]
            if unfinished:
                self.cancel(job.request_id)

    async def load_adapter(self, name: str, path: Path) -> None:
        """Read the folder beside the running work, then let the engine's thread take it."""
        core = self._started()
        adapter = await asyncio.to_thread(core.read_adapter, path)
        await self._call(lambda core: core.add_adapter(name, adapter))

    async def unload_adapter(self, name: str) -> None:
        await self._call(lambda core: core.remove_adapter(name))

    def cancel(self, request_id: str) -> None:
        self._commands.put(lambda core: core.cancel(request_id))

    def stats(self) -> EngineStats:
        core = self._started()
        return EngineStats(
            running_rows=core.running_rows,
            waiting_rows=core.waiting_rows,
            tokens_per_second=self._rate.per_second(),
            generated_tokens=core.generated_tokens,
            adapters=core.adapters,
        )

    def _started(self) -> EngineCore:
        if self._core is None or self._stopping:
            raise UnavailableError("the engine is not running")
        return self._core

    async def _call(self, action: Callable[[EngineCore], None]) -> None:
        """Run `action` in the engine's thread, between two steps."""
        self._started()
        done: Future[None] = Future()

        def command(core: EngineCore) -> Sequence[Event]:
            action(core)
            done.set_result(None)
            return ()

        self._commands.put(command)
        await asyncio.wrap_future(done)

    # From here on: the engine's thread.

    def _run(self) -> None:
        # One thread is fastest for a small model, and the other cores belong to other services.
        torch.set_num_threads(1)
        try:
            core = self._create()
        except BaseException as error:  # noqa: BLE001  (re-raised by `start`)
            self._ready.set_exception(error)
            return
        self._ready.set_result(core)
        while self._obey(core):
            self._step(core)

    def _obey(self, core: EngineCore) -> bool:
        """Carry out waiting commands; wait for one if there is nothing else to do."""
        while True:
            try:
                command = self._commands.get(block=not core.busy)
            except queue.Empty:
                return True
            if command is None:
                return False
            self._post(command(core))

    def _step(self, core: EngineCore) -> None:
        before = core.generated_tokens
        began = time.monotonic()
        try:
            events = core.step()
        except Exception as error:
            log.exception("engine.step_failed", rows=core.running_rows)
            failed = UnavailableError(f"the engine failed: {error}")
            self._post([(name, failed) for name, _ in core.cancel_all()])
            return
        self._rate.add(core.generated_tokens - before, time.monotonic() - began)
        self._post(events)

    def _submit(self, core: EngineCore, job: GenerateJob) -> Sequence[Event]:
        try:
            core.submit(job)
        except BurnishError as error:
            self._post([(job.request_id, error)])
        return ()

    def _post(self, updates: Sequence[tuple[str, Update]]) -> None:
        if updates and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, updates)

    # In the event loop again.

    def _deliver(self, updates: Sequence[tuple[str, Update]]) -> None:
        for request_id, update in updates:
            waiting = self._updates.get(request_id)
            if waiting is not None:
                waiting.put_nowait(update)
