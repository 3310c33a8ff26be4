"""`/v1/models`, `/v1/chat/completions`, `/v1/completions`, and adapters as files."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from svc_gateway import sse
from svc_gateway.adapters import Adapters
from svc_gateway.chat import CHAT, COMPLETIONS, Chat
from svc_gateway.models import Models
from svc_gateway.projection import Queries

OWNER = "burnish"


def routes(models: Models, adapters: Adapters, chat: Chat, queries: Queries) -> list[Route]:
    async def list_all(_request: Request) -> Response:
        times = await queries.adapter_times()
        data = [_described(name) for name in await models.base_models()]
        data += [
            _described(one.name, times.get(one.name, 0.0), parent=one.base_model)
            for one in await models.adapters()
        ]
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def get(request: Request) -> Response:
        target = await models.resolve(request.path_params["id"])
        times = await queries.adapter_times()
        parent = target.base_model if target.adapter is not None else None
        return JSONResponse(_described(target.name, times.get(target.name, 0.0), parent=parent))

    async def complete(request: Request) -> Response:
        answer = await chat.complete(request.url.path, await request.body())
        return StreamingResponse(
            answer.body,
            status_code=answer.status,
            media_type=answer.content_type,
            headers=sse.HEADERS,
        )

    async def adapter(request: Request) -> Response:
        found, content = await adapters.content(request.path_params["name"])
        filename = f"{found.name.replace(':', '-')}.tar"
        return Response(
            content,
            media_type="application/x-tar",
            headers={"content-disposition": f"attachment; filename={filename}"},
        )

    return [
        Route("/v1/models", list_all, methods=["GET"]),
        Route("/v1/models/{id}", get, methods=["GET"]),
        Route(CHAT, complete, methods=["POST"]),
        Route(COMPLETIONS, complete, methods=["POST"]),
        Route("/v1/adapters/{name}/content", adapter, methods=["GET"]),
    ]


def _described(name: str, created: float = 0.0, *, parent: str | None = None) -> dict[str, Any]:
    return {
        "id": name,
        "object": "model",
        "created": int(created),
        "owned_by": OWNER,
        "parent": parent,
    }
