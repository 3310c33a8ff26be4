"""The gRPC surface: thin servicers over the use cases."""

from svc_gateway.rpc.server import GrpcServer
from svc_gateway.rpc.servicers import UseCases, servicers

__all__ = ["GrpcServer", "UseCases", "servicers"]
