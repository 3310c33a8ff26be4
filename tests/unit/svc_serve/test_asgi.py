"""Calling an application in process: its response streams, and it learns of a lost client."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from svc_serve.asgi import Application, Message, Piece, post

Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def echo(_scope: Message, receive: Receive, send: Send) -> None:
    request = await receive()
    headers = [(b"Content-Type", b"text/plain")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    for part in request["body"].split():
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def waits_for_the_client(_scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"first", "more_body": True})
    assert (await receive())["type"] == "http.disconnect"
    await send({"type": "http.response.body", "body": b"last"})


async def fails(_scope: Message, _receive: Receive, _send: Send) -> None:
    raise RuntimeError("broken")


async def collect(app: Application, event: asyncio.Event | None = None) -> list[Piece]:
    pieces = post(app, "/x", b"a b", disconnected=event or asyncio.Event())
    return [piece async for piece in pieces]


async def test_pieces_come_with_the_responses_head() -> None:
    assert await collect(echo) == [Piece(201, "text/plain", b"a"), Piece(201, "text/plain", b"b")]


async def test_the_application_hears_that_the_client_went_away() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, event.set)
    async with asyncio.timeout(5):
        assert [piece.body for piece in await collect(waits_for_the_client, event)] == [
            b"first",
            b"last",
        ]


async def test_a_failing_application_raises() -> None:
    with pytest.raises(RuntimeError, match="broken"):
        await collect(fails)
