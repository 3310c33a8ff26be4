"""Other sites' pages must not command this gateway through a visitor's browser.

Whoever can reach the port may call the API; a page from elsewhere that runs in a browser that can
reach it may not. Browsers name the page's origin, other clients send none.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from svc_gateway.failures import FORBIDDEN, Failure
from svc_gateway.web.errors import response_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOrigin:
    """Refuses requests with an effect that come from a page of another origin."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == "http"
            and scope["method"] not in SAFE
            and _foreign(Headers(scope=scope))
        ):
            failure = Failure(FORBIDDEN, "This page belongs to another site and may not do that.")
            await response_of(failure)(scope, receive, send)
            return
        await self._app(scope, receive, send)


def _foreign(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")
