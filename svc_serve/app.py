"""Wiring: generation and OpenAI requests in, token streams out."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from burnish import models, stopping
from burnish.bus import Bus, topology
from burnish.errors import BurnishError, UnavailableError, UserError
from burnish.logs import get_logger
from burnish.service import Status
from burnish.v1 import events_pb2, infer_pb2
from svc_serve import backend, codec
from svc_serve.adapters import Adapters, AdapterSource
from svc_serve.backend import Backend
from svc_serve.config import ServeSettings
from svc_serve.inflight import Inflight
from svc_serve.metrics import EngineCollector

log = get_logger(__name__)

QUEUE = "serve"


@dataclass(frozen=True, slots=True)
class Running:
    """What exists once the base model is found."""

    backend: Backend
    inflight: Inflight
    adapters: Adapters
    collector: EngineCollector


class Serve:
    """One base model, its adapters, and everybody's requests."""

    def __init__(self, bus: Bus, settings: ServeSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._base = settings.base_model
        self._running: Running | None = None
        self._prefetching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        running = await asyncio.to_thread(self._create)
        await running.backend.engine.start()
        self._running = running
        running.collector.register()
        self._bus.respond(
            topology.infer_generate(self._base),
            infer_pb2.GenerateRequest,
            self.generate,
            queue=QUEUE,
        )
        self._bus.respond(
            topology.infer_openai(self._base), infer_pb2.OpenAIRequest, self.openai, queue=QUEUE
        )
        await self._bus.listen(topology.INFER_CANCEL, infer_pb2.CancelGeneration, self._cancel)
        self._prefetching = asyncio.create_task(self._prefetch(running.adapters))
        log.info("engine.ready", engine=running.backend.name, base_model=self._base)

    async def stop(self) -> None:
        if self._prefetching is not None:
            await stopping.stop([self._prefetching])
        running, self._running = self._running, None
        if running is not None:
            running.collector.unregister()
            await running.backend.engine.stop()

    def _create(self) -> Running:
        settings = self._settings
        folder = models.ensure(self._base, settings.models_dir.expanduser())
        chosen = backend.create(settings, folder)
        return Running(
            backend=chosen,
            inflight=Inflight(chosen.engine.cancel),
            adapters=Adapters(
                self._bus.blobs,
                chosen.engine,
                settings.service_dir("serve") / "adapters",
                base_model=self._base,
                capacity=settings.serve_adapters,
                max_rank=settings.serve_max_rank,
            ),
            collector=EngineCollector(chosen.engine.stats),
        )

    def status(self) -> Status:
        running = self._running
        if running is None:
            return Status(activity=f"loading {self._base}", ready=False)
        stats = running.backend.engine.stats()
        rows = stats.running_rows + stats.waiting_rows
        return Status(
            activity=f"generating {rows} completions" if rows else "idle",
            base_models=(self._base,),
            metrics={
                "tokens_per_second": stats.tokens_per_second,
                "tokens_total": stats.generated_tokens,
                "rows_running": stats.running_rows,
                "rows_waiting": stats.waiting_rows,
                "adapters_loaded": len(running.adapters.loaded),
            },
            details={"engine": running.backend.name},
        )

    async def generate(
        self, request: infer_pb2.GenerateRequest
    ) -> AsyncIterator[infer_pb2.GenerateChunk]:
        """Token ids in, token ids out."""
        running, name = self._ready(), request.adapter.name
        async with _lease(running.adapters, codec.adapter_source(request)) as adapter:
            with running.inflight.open(request.request_id) as ticket:
                job = codec.generate_job(request, ticket.job_id(), adapter)
                async with contextlib.aclosing(running.backend.engine.generate(job)) as deltas:
                    async for delta in deltas:
                        ticket.check()
                        yield codec.chunk(delta, name)
        yield infer_pb2.GenerateChunk(done=True, adapter=name)

    async def openai(
        self, request: infer_pb2.OpenAIRequest
    ) -> AsyncIterator[infer_pb2.OpenAIChunk]:
        """An OpenAI body in, a response's body out."""
        running = self._ready()
        async with _lease(running.adapters, codec.adapter_source(request)) as adapter:
            with running.inflight.open(request.request_id) as ticket:
                call = codec.openai_call(request, self._base, adapter, ticket.job_id)
                async with contextlib.aclosing(running.backend.openai.answer(call)) as replies:
                    async for reply in replies:
                        ticket.check()
                        yield codec.openai_chunk(reply)
        yield infer_pb2.OpenAIChunk(done=True)

    def _ready(self) -> Running:
        if self._running is None:
            raise UnavailableError(f"{self._base} is not running here any more")
        return self._running

    async def _cancel(self, request: infer_pb2.CancelGeneration) -> None:
        self._ready().inflight.cancel(request.request_id)

    async def _prefetch(self, adapters: Adapters) -> None:
        """Load new adapters of our base model before anybody asks for them."""
        entries = self._bus.read(
            topology.EVENTS_STREAM, subjects=[topology.policy_published.wildcard], after=None
        )
        async for entry in entries:
            if not isinstance(entry.message, events_pb2.PolicyPublished):
                continue
            source = codec.source_of(entry.message.adapter)
            if source.base_model != self._base:
                continue
            try:
                await adapters.prefetch(source)
            except UserError as error:
                log.warning("adapter.refused", adapter=source.name, reason=str(error))
            except BurnishError as error:
                # Only early, not lost: the first request tries again.
                log.warning("adapter.not_prefetched", adapter=source.name, reason=str(error))


@contextlib.asynccontextmanager
async def _lease(adapters: Adapters, source: AdapterSource | None) -> AsyncIterator[str | None]:
    """The adapter's name in the engine; None for the base model."""
    if source is None:
        yield None
        return
    async with adapters.lease(source) as key:
        yield key
