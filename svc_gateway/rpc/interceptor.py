"""The one place where an exception becomes a gRPC status."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NoReturn, TypeAlias

import grpc
from grpc_status import rpc_status

from burnish.logs import get_logger
from svc_gateway.failures import failure_of

log = get_logger(__name__)

# Generic in the stubs alone.
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class Errors(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]
    """Turns what a servicer raises into a status with details."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        # Unknown methods have no handler; reflection and health have errors of their own.
        if handler is None or not handler_call_details.method.startswith("/burnish."):
            return handler
        if handler.unary_unary:
            return _rebuilt(handler, grpc.unary_unary_rpc_method_handler, handler.unary_unary)
        if handler.stream_unary:
            return _rebuilt(handler, grpc.stream_unary_rpc_method_handler, handler.stream_unary)
        return _rebuilt(
            handler, grpc.unary_stream_rpc_method_handler, handler.unary_stream, streams=True
        )


def _rebuilt(
    handler: Handler,
    make: Callable[..., Handler],
    behaviour: Any,  # noqa: ANN401  whichever arity the method has
    *,
    streams: bool = False,
) -> Handler:
    async def answer(request: object, context: Context) -> object:
        try:
            return await behaviour(request, context)
        except Exception as error:  # noqa: BLE001  every failure has a status
            await _abort(context, error)

    async def stream(request: object, context: Context) -> AsyncIterator[object]:
        try:
            async for response in behaviour(request, context):
                yield response
        except Exception as error:  # noqa: BLE001  every failure has a status
            await _abort(context, error)

    return make(
        stream if streams else answer,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


async def _abort(context: Context, error: Exception) -> NoReturn:
    status = rpc_status.to_status(failure_of(error).status())
    await context.abort_with_status(status)  # type: ignore[attr-defined]  # the stubs lack it
    raise AssertionError from error  # abort never returns
