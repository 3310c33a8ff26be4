"""The HTTP surface: OpenAI's API, the same gRPC services as JSON, events, and the console."""

from svc_gateway.web.app import create_app
from svc_gateway.web.server import HttpServer

__all__ = ["HttpServer", "create_app"]
