"""`/events/{job_id}`: a job's events for a browser, which resumes behind the last one it saw."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from google.protobuf import json_format
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from burnish.errors import UserError
from svc_gateway import codec, sse
from svc_gateway.events import Events, JobEvent
from svc_gateway.jobs import Jobs

KEEP_ALIVE_SECONDS = 15.0


def routes(jobs: Jobs, events: Events) -> list[Route]:
    async def follow(request: Request) -> Response:
        job = await jobs.get(request.path_params["job_id"])
        after = _sequence(
            request.headers.get("last-event-id") or request.query_params.get("after", "0")
        )
        return StreamingResponse(
            _stream(events.follow(job.id, after=after)),
            media_type=sse.CONTENT_TYPE,
            headers=sse.HEADERS,
        )

    return [Route("/events/{job_id}", follow, methods=["GET"])]


async def _stream(events: AsyncIterator[JobEvent]) -> AsyncIterator[bytes]:
    """Encoded events, with a comment now and then so that proxies keep the connection."""
    pending = asyncio.ensure_future(anext(events, None))
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield sse.KEEP_ALIVE
                continue
            event = pending.result()
            if event is None:
                break
            yield _encoded(event)
            pending = asyncio.ensure_future(anext(events, None))
        yield sse.encode("{}", event="end")
    finally:
        pending.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopAsyncIteration):
            await pending


def _encoded(event: JobEvent) -> bytes:
    message = codec.watched(event.sequence, event.message)
    return sse.encode(
        json.dumps(json_format.MessageToDict(message)),
        event=str(message.WhichOneof("event")),
        id=str(event.sequence),
    )


def _sequence(text: str) -> int:
    if not text.isdecimal():
        raise UserError(f"{text!r} is not the sequence of an event", field="Last-Event-ID")
    return int(text)
