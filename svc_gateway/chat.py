"""Chat and completions: find who answers, hand the request over, pass the answer on.

The engine's own OpenAI layer answers: the body goes through as it came.
"""

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.bus import Bus, topology
from burnish.errors import BurnishError, RetryableError, UnavailableError, UserError
from burnish.v1 import common_pb2, infer_pb2, models_service_pb2
from svc_gateway import sse
from svc_gateway.models import Models, Target

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
IDLE_SECONDS = 60.0

_FINISH = {
    "stop": common_pb2.FINISH_REASON_STOP,
    "length": common_pb2.FINISH_REASON_LENGTH,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A started response: its head, and its body as it comes."""

    status: int
    content_type: str
    body: AsyncIterator[bytes]


class Chat:
    """Sends requests to the serve instances of a base model."""

    def __init__(self, bus: Bus, models: Models) -> None:
        self._bus = bus
        self._models = models

    async def complete(self, path: str, body: bytes) -> Answer:
        """Answer an OpenAI request.

        Raises:
            UserError: the body is not a JSON object with a model, or the engine refuses it.
            NotFoundError: no such model.
            UnavailableError: no instance serves its base model.
        """
        target = await self._models.resolve(str(_parse(body).get("model") or ""))
        chunks = self._chunks(path, body, target)
        try:
            first = await anext(chunks)
        except StopAsyncIteration:
            raise RetryableError(f"{target.name} ended without an answer") from None
        return Answer(
            first.status or 200,
            first.content_type or "application/json",
            _body(first, chunks),
        )

    async def chat(
        self, request: models_service_pb2.ChatRequest
    ) -> AsyncIterator[models_service_pb2.ChatResponse]:
        """Answer a typed chat request, piece by piece."""
        answer = await self.complete(CHAT, json.dumps(_openai_body(request)).encode())
        if answer.status >= 400:
            raise await _refusal(answer)
        async for event in sse.parse(answer.body):
            piece = json.loads(event)
            if "error" in piece:
                raise RetryableError(piece["error"].get("message", "the engine failed"))
            for choice in piece.get("choices", ()):
                yield models_service_pb2.ChatResponse(
                    text=choice.get("delta", {}).get("content") or "",
                    finish_reason=_FINISH.get(choice.get("finish_reason")),
                    model=piece.get("model", ""),
                )

    async def _chunks(
        self, path: str, body: bytes, target: Target
    ) -> AsyncIterator[infer_pb2.OpenAIChunk]:
        request = infer_pb2.OpenAIRequest(
            request_id=uuid.uuid4().hex,
            base_model=target.base_model,
            adapter=target.adapter,
            path=path,
            body=body,
        )
        ended = False
        try:
            async for chunk in self._bus.request(
                topology.infer_openai(target.base_model),
                request,
                infer_pb2.OpenAIChunk,
                idle_timeout=IDLE_SECONDS,
            ):
                if chunk.HasField("error"):
                    raise _error(chunk.error)
                yield chunk
                if chunk.done:
                    break
            ended = True
        except UnavailableError:
            ended = True
            raise UnavailableError(
                f"no serve instance answers for {target.base_model} now: start one with "
                "`python -m svc_serve` or `burnish up`, then try again"
            ) from None
        finally:
            if not ended:
                # The client went away: the engine need not go on.
                cancel = infer_pb2.CancelGeneration(request_id=request.request_id)
                await self._bus.broadcast(topology.INFER_CANCEL, cancel)


async def _body(
    first: infer_pb2.OpenAIChunk, rest: AsyncIterator[infer_pb2.OpenAIChunk]
) -> AsyncIterator[bytes]:
    """The body's bytes. An engine that fails midway ends an event stream with an error event."""
    yield first.data
    streams = first.content_type.startswith("text/event-stream")
    try:
        async for chunk in rest:
            yield chunk.data
    except BurnishError as error:
        if not streams:
            raise
        body = {"error": {"message": str(error), "type": "server_error", "code": None}}
        yield sse.encode(json.dumps(body))


async def _refusal(answer: Answer) -> BurnishError:
    """What the engine's OpenAI layer answered instead of a stream."""
    body = b"".join([piece async for piece in answer.body])
    error = _parse(body).get("error") or {}
    message = str(error.get("message") or f"the engine answered with status {answer.status}")
    if answer.status >= 500:
        return RetryableError(message)
    return UserError(message, field=str(error.get("param") or ""))


def _parse(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"the request body is not valid JSON: {error}", field="body") from None
    if not isinstance(parsed, dict):
        raise UserError("the request body is not a JSON object", field="body")
    return parsed


def _error(error: infer_pb2.InferError) -> BurnishError:
    if error.retryable or error.status >= 500:
        return RetryableError(error.message)
    return UserError(error.message, field=error.param)


def _openai_body(request: models_service_pb2.ChatRequest) -> dict[str, Any]:
    """The same request in OpenAI's words."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": one.role, "content": one.content} for one in request.messages],
        "stream": True,
    }
    if request.HasField("sampling"):
        body["temperature"] = sampling.temperature
        body["top_p"] = sampling.top_p or 1.0
        if sampling.max_tokens:
            body["max_tokens"] = sampling.max_tokens
        if sampling.HasField("seed"):
            body["seed"] = sampling.seed
        if sampling.stop:
            body["stop"] = list(sampling.stop)
    return body
