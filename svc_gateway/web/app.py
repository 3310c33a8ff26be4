"""The HTTP application: routes and error handlers, no behaviour."""

from collections.abc import Callable
from pathlib import Path

import nats.errors
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from burnish.errors import BurnishError
from burnish.spec import JobSpec
from svc_gateway.rpc.servicers import UseCases
from svc_gateway.web import events, files, graders, openai, transcode
from svc_gateway.web.errors import on_error, on_http_error
from svc_gateway.web.origin import SameOrigin

CONSOLE = Path(__file__).parent.parent / "console"
PAGE_HEADERS = {
    "cache-control": "no-cache",
    # What models and reward functions write is shown as text; this is the second lock.
    "content-security-policy": "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
}
ERRORS: dict[int | type[Exception], Callable[..., object]] = {
    HTTPException: on_http_error,
    BurnishError: on_error,
    nats.errors.Error: on_error,
    TimeoutError: on_error,
    Exception: on_error,
}


def create_app(use: UseCases, servicers: dict[str, object], ready: Callable[[], bool]) -> Starlette:
    """Everything that the HTTP port answers."""
    return Starlette(
        routes=[
            *files.routes(use.files),
            *openai.routes(use.models, use.adapters, use.chat, use.queries),
            *graders.routes(use.rewards),
            *events.routes(use.jobs, use.events),
            *transcode.routes(servicers),
            *_probes(ready),
            *_console(),
        ],
        middleware=[Middleware(SameOrigin), Middleware(GZipMiddleware, minimum_size=2048)],
        exception_handlers=ERRORS,  # type: ignore[arg-type]
    )


def _probes(ready: Callable[[], bool]) -> list[Route]:
    async def healthz(_request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_request: Request) -> Response:
        up = ready()
        return PlainTextResponse("ready\n" if up else "not ready\n", 200 if up else 503)

    async def metrics(_request: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
    ]


def _console() -> list[Route | Mount]:
    async def index(_request: Request) -> Response:
        return FileResponse(CONSOLE / "index.html", headers=PAGE_HEADERS)

    async def spec(request: Request) -> Response:
        """A job in YAML as the form's JSON."""
        checked = JobSpec.from_yaml((await request.body()).decode(errors="replace"))
        return JSONResponse(checked.model_dump(mode="json", exclude_none=True))

    return [
        Route("/", index),
        Route("/console/spec", spec, methods=["POST"]),
        Mount("/static", StaticFiles(directory=CONSOLE / "static")),
    ]
