"""The gRPC server: services, health, reflection, and an end that lets calls finish."""

from collections.abc import Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from burnish.errors import SetupError
from burnish.v1 import (
    files_service_pb2_grpc,
    jobs_service_pb2_grpc,
    models_service_pb2_grpc,
    rewards_service_pb2_grpc,
)
from svc_gateway.rpc.interceptor import Errors

MIB = 1024**2
OPTIONS = (
    ("grpc.max_receive_message_length", 16 * MIB),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Two gateways on one port would each get half of the calls.
    ("grpc.so_reuseport", 0),
)
_ADD: dict[str, Callable[[Any, grpc.aio.Server], None]] = {
    "burnish.v1.FilesService": files_service_pb2_grpc.add_FilesServiceServicer_to_server,
    "burnish.v1.RewardsService": rewards_service_pb2_grpc.add_RewardsServiceServicer_to_server,
    "burnish.v1.JobsService": jobs_service_pb2_grpc.add_JobsServiceServicer_to_server,
    "burnish.v1.ModelsService": models_service_pb2_grpc.add_ModelsServiceServicer_to_server,
    "burnish.v1.AdaptersService": models_service_pb2_grpc.add_AdaptersServiceServicer_to_server,
    "burnish.v1.ChatService": models_service_pb2_grpc.add_ChatServiceServicer_to_server,
}


class GrpcServer:
    """Answers gRPC on one port."""

    def __init__(self, servicers: dict[str, object], *, host: str, port: int) -> None:
        self._server = grpc.aio.server(interceptors=[Errors()], options=OPTIONS)
        for name, servicer in servicers.items():
            _ADD[name](servicer, self._server)
        self._names = [*servicers, health.SERVICE_NAME]
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # made at run time
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*self._names, reflection.SERVICE_NAME], self._server)
        self._address = f"[{host}]" if ":" in host else host
        self.port = port

    async def start(self) -> None:
        """Listen.

        Raises:
            SetupError: the port is taken.
        """
        try:
            self.port = self._server.add_insecure_port(f"{self._address}:{self.port}")
        except RuntimeError:
            raise SetupError(
                f"port {self.port} on {self._address} cannot be used for gRPC: free it, or set "
                "BURNISH_GRPC_PORT to another one."
            ) from None
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Refuse new calls, let running ones finish for `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)
