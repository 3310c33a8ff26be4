"""Calls an ASGI application in this process, and passes its response on as it comes."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
Application = Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of the response's body; status and type are those of the whole response."""

    status: int
    content_type: str
    body: bytes


async def post(
    app: Application,
    path: str,
    body: bytes,
    *,
    headers: Headers = (),
    disconnected: asyncio.Event,
) -> AsyncGenerator[Piece, None]:
    """POST a JSON body. Setting `disconnected` tells the application that its client went away."""
    messages: asyncio.Queue[Message | None] = asyncio.Queue()
    requests = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if requests:
            return requests.pop()
        await disconnected.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        messages.put_nowait(message)

    task = asyncio.ensure_future(app(_scope(path, headers), receive, send))
    task.add_done_callback(lambda _: messages.put_nowait(None))
    try:
        status, content_type = 500, "text/plain"
        while (message := await messages.get()) is not None:
            if message["type"] == "http.response.start":
                status = message["status"]
                found = {name.lower(): value for name, value in message["headers"]}
                content_type = found.get(b"content-type", b"").decode()
            elif message.get("body"):
                yield Piece(status, content_type, message["body"])
        task.result()
    finally:
        disconnected.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _scope(path: str, headers: Headers) -> Message:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in (("content-type", "application/json"), *headers)
        ],
        "client": ("127.0.0.1", 0),
        "server": ("127.0.0.1", 80),
        "state": {},
    }
