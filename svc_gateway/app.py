"""Wiring: the bus and the buckets, the read model, the use cases, gRPC and HTTP over them."""

import os

from sqlalchemy.ext.asyncio import AsyncEngine

from burnish.bus import Bus
from burnish.logs import get_logger
from burnish.service import Status
from svc_gateway.adapters import Adapters
from svc_gateway.chat import Chat
from svc_gateway.config import GatewaySettings
from svc_gateway.events import Events
from svc_gateway.files import Files
from svc_gateway.jobs import Jobs
from svc_gateway.lifecycle import Lifecycle
from svc_gateway.models import Models
from svc_gateway.projection import Projector, Queries
from svc_gateway.projection.schema import engine_at
from svc_gateway.rescoring import Rescoring
from svc_gateway.reward_updates import RewardUpdates
from svc_gateway.rewards import Rewards
from svc_gateway.rpc import GrpcServer, UseCases, servicers
from svc_gateway.starts import Starts
from svc_gateway.store import Store
from svc_gateway.web import HttpServer, create_app

log = get_logger(__name__)

DATABASE = "gateway.sqlite"


class Gateway:
    """The service."""

    def __init__(self, bus: Bus, settings: GatewaySettings) -> None:
        self._bus = bus
        self._settings = settings
        self._engine: AsyncEngine | None = None
        self._projector: Projector | None = None
        self._http: HttpServer | None = None
        self._grpc: GrpcServer | None = None

    @property
    def http_port(self) -> int:
        return self._http.port if self._http else 0

    @property
    def grpc_port(self) -> int:
        return self._grpc.port if self._grpc else 0

    async def start(self) -> None:
        settings = self._settings
        self._engine = engine_at(settings.service_dir("gateway") / DATABASE)
        store = await Store.open(self._bus)
        self._projector = Projector(
            self._engine, self._bus, store.jobs, completions_kept=settings.completions_kept
        )
        use = self._use_cases(store, self._engine, self._projector)
        answering = servicers(use)
        self._grpc = GrpcServer(answering, host=settings.host, port=settings.grpc_port)
        app = create_app(use, answering, self._ready)
        self._http = HttpServer(app, host=settings.host, port=settings.http_port)
        # Ports first: one that is taken should say so before anything else happens.
        await self._grpc.start()
        await self._http.start()
        await self._projector.start(_give_up)
        await use.jobs.repair()
        log.info("gateway.listening", http=self.http_port, grpc=self.grpc_port)

    def _use_cases(self, store: Store, engine: AsyncEngine, projector: Projector) -> UseCases:
        bus, settings = self._bus, self._settings
        models = Models(store)
        files = Files(
            store, bus.blobs, project=settings.project, max_bytes=settings.max_upload_bytes
        )
        rewards = Rewards(store, bus, project=settings.project)
        queries = Queries(engine)
        starts = Starts(store=store, blobs=bus.blobs, files=files, models=models)
        jobs = Jobs(
            store=store,
            bus=bus,
            files=files,
            rewards=rewards,
            models=models,
            projector=projector,
            queries=queries,
            starts=starts,
            project=settings.project,
        )
        return UseCases(
            files=files,
            rewards=rewards,
            jobs=jobs,
            lifecycle=Lifecycle(store=store, jobs=jobs, starts=starts, projector=projector),
            reward_updates=RewardUpdates(store=store, jobs=jobs, projector=projector),
            rescoring=Rescoring(jobs=jobs, rewards=rewards, queries=queries),
            events=Events(bus, project=settings.project),
            models=models,
            adapters=Adapters(models, bus.blobs),
            chat=Chat(bus, models),
            queries=queries,
        )

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.stop()
        if self._grpc is not None:
            await self._grpc.stop(self._settings.drain_seconds)
        if self._projector is not None:
            await self._projector.stop()
        if self._engine is not None:
            await self._engine.dispose()

    def status(self) -> Status:
        return Status(
            activity=f"console on http://{self._settings.host}:{self.http_port}",
            details={"http_port": str(self.http_port), "grpc_port": str(self.grpc_port)},
        )

    def _ready(self) -> bool:
        return self._bus.connected


def _give_up(error: BaseException) -> None:
    """A gateway whose read model stands still would show lies: the supervisor starts a new one."""
    log.critical("projection.failed", exc_info=error)
    os._exit(1)
