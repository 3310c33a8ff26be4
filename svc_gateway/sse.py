"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

from collections.abc import AsyncIterator

CONTENT_TYPE = "text/event-stream"
# Proxies must not buffer a stream, nor a browser keep it.
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
KEEP_ALIVE = b": still here\n\n"


def encode(data: str, *, event: str = "", id: str = "") -> bytes:  # noqa: A002
    """One event. `data` has no line breaks (JSON without indentation has none)."""
    head = (f"id: {id}\n" if id else "") + (f"event: {event}\n" if event else "")
    return f"{head}data: {data}\n\n".encode()


async def parse(body: AsyncIterator[bytes]) -> AsyncIterator[str]:
    """The data of each event of a stream, until `[DONE]`."""
    buffered = b""
    async for piece in body:
        *lines, buffered = (buffered + piece).split(b"\n")
        for line in lines:
            if not line.startswith(b"data:"):
                continue
            data = line.removeprefix(b"data:").strip().decode()
            if data == "[DONE]":
                return
            yield data
