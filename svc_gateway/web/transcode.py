"""Unary gRPC methods as JSON over HTTP, over the same servicers.

`POST /burnish.v1.JobsService/GetJob` with `{"id": "..."}`: the unary part of the Connect protocol
(https://connectrpc.com/docs/protocol), so its clients and curl alike can call it.
"""

import base64
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from burnish.errors import UserError
from svc_gateway.failures import Failure, failure_of

PROTO = "application/proto"
MAX_BODY = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class Method:
    """A unary method, and who answers it."""

    request: type[Message]
    behaviour: Callable[[Message, None], Awaitable[Message]]


def routes(servicers: dict[str, object]) -> list[Route]:
    """One route for each unary method."""
    found = []
    for service, servicer in servicers.items():
        # The stubs know only `Descriptor`'s pool; services are looked up by name.
        descriptor = descriptor_pool.Default().FindServiceByName(service)
        for method in descriptor.methods:
            if not _streams(method):
                path = f"/{service}/{method.name}"
                found.append(Route(path, _endpoint(_method(method, servicer)), methods=["POST"]))
    return found


def _streams(method: MethodDescriptor) -> bool:
    return bool(method.client_streaming or method.server_streaming)


def _method(method: MethodDescriptor, servicer: object) -> Method:
    return Method(
        message_factory.GetMessageClass(method.input_type), getattr(servicer, method.name)
    )


def _endpoint(method: Method) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        binary = request.headers.get("content-type", "").startswith(PROTO)
        try:
            message = _decoded(method.request, await request.body(), binary=binary)
            answer = await method.behaviour(message, None)
        except Exception as error:  # noqa: BLE001  every failure has a status
            return _refused(failure_of(error))
        if binary:
            return Response(answer.SerializeToString(), media_type=PROTO)
        return JSONResponse(json_format.MessageToDict(answer))

    return endpoint


def _decoded(kind: type[Message], body: bytes, *, binary: bool) -> Message:
    if len(body) > MAX_BODY:
        raise UserError(f"the request is larger than {MAX_BODY // 1024**2} MiB", field="body")
    try:
        if binary:
            return kind.FromString(body)
        return json_format.Parse(body or b"{}", kind())
    except (json_format.ParseError, DecodeError, UnicodeDecodeError) as error:
        name = kind.DESCRIPTOR.name
        raise UserError(f"the body is not a {name}: {error}", field="body") from None


def _refused(failure: Failure) -> Response:
    body: dict[str, Any] = {
        "code": failure.code,
        "message": failure.message,
        "field": failure.field,
        "details": [
            {
                "type": detail.DESCRIPTOR.full_name,
                "value": base64.b64encode(detail.SerializeToString()).decode().rstrip("="),
                "debug": json_format.MessageToDict(detail),
            }
            for detail in failure.details()
        ],
    }
    return JSONResponse(body, status_code=failure.kind.http)
