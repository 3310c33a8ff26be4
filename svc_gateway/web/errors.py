"""Failures in OpenAI's shape."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from svc_gateway.failures import INVALID, NOT_FOUND, Failure, failure_of


def response_of(failure: Failure) -> Response:
    body = {
        "message": failure.message,
        "type": failure.kind.openai,
        "param": failure.field or None,
        "code": failure.code,
    }
    return JSONResponse({"error": body}, status_code=failure.kind.http)


async def on_error(_request: Request, error: Exception) -> Response:
    return response_of(failure_of(error))


async def on_http_error(request: Request, error: Exception) -> Response:
    """Unknown paths and methods."""
    if not isinstance(error, HTTPException):
        raise TypeError(error)
    unknown = error.status_code == 404
    failure = Failure(
        NOT_FOUND if unknown else INVALID,
        f"There is nothing at {request.method} {request.url.path}." if unknown else error.detail,
    )
    response = response_of(failure)
    response.status_code = error.status_code
    return response
