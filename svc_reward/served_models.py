"""Asks models that are served here, over the bus, as the gateway does."""

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from burnish.bus import Bucket, Bus, topology
from burnish.errors import RetryableError, UnavailableError, UserError
from burnish.v1 import common_pb2, events_pb2, infer_pb2

PATH = "/v1/chat/completions"
LATEST = "@latest"
IDLE_SECONDS = 60.0
MAX_ANSWER = 1 << 20
_KEY = re.compile(r"[\w.-]+", re.ASCII)


class ServedModels:
    """Base models and adapters by the names under which the gateway offers them."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._services: Bucket[events_pb2.ServiceStatus] | None = None
        self._adapters: Bucket[common_pb2.AdapterRef] | None = None

    async def chat(self, model: str, body: Mapping[str, Any]) -> str:
        """The text that `model` answers to an OpenAI chat request.

        Raises:
            UserError: the engine refuses the request.
            RetryableError: nobody serves this model now, or the engine failed.
        """
        base, adapter = await self._resolve(model)
        request = infer_pb2.OpenAIRequest(
            request_id=uuid.uuid4().hex,
            base_model=base,
            adapter=adapter,
            path=PATH,
            body=json.dumps({**body, "model": model}).encode(),
        )
        try:
            status, data = await self._answer(request)
        except UnavailableError:
            raise _unserved(model) from None
        except BaseException:
            # Ours is the only interest in it.
            cancel = infer_pb2.CancelGeneration(request_id=request.request_id)
            await self._bus.broadcast(topology.INFER_CANCEL, cancel)
            raise
        return _text(model, status, data)

    async def _answer(self, request: infer_pb2.OpenAIRequest) -> tuple[int, bytes]:
        status, data = 200, bytearray()
        async for chunk in self._bus.request(
            topology.infer_openai(request.base_model),
            request,
            infer_pb2.OpenAIChunk,
            idle_timeout=IDLE_SECONDS,
        ):
            if chunk.HasField("error"):
                raise _refusal(chunk.error.message, chunk.error.status, chunk.error.retryable)
            status = chunk.status or status
            data += chunk.data
            if len(data) > MAX_ANSWER:
                raise UserError(f"the judge answers with more than {MAX_ANSWER} bytes")
            if chunk.done:
                break
        return status, bytes(data)

    async def _resolve(self, model: str) -> tuple[str, common_pb2.AdapterRef | None]:
        if self._services is None or self._adapters is None:
            self._services = await self._bus.kv(topology.SERVICES, events_pb2.ServiceStatus)
            self._adapters = await self._bus.kv(topology.ADAPTERS, common_pb2.AdapterRef)
        if any(model in status.base_models for _, status in await self._services.items()):
            return model, None
        adapter = await _adapter(model, self._adapters)
        if adapter is None:
            raise _unserved(model)
        return adapter.base_model, adapter


async def _adapter(
    model: str, adapters: Bucket[common_pb2.AdapterRef]
) -> common_pb2.AdapterRef | None:
    if model.endswith(LATEST):
        job = model.removesuffix(LATEST)
        known = [one for _, one in await adapters.items(f"{job}.>")] if _KEY.fullmatch(job) else []
        return max(known, key=lambda adapter: adapter.policy_version, default=None)
    key = topology.adapter_key(model) if ":" in model else ""
    found = await adapters.get(key) if _KEY.fullmatch(key) else None
    return found[0] if found else None


def _unserved(model: str) -> RetryableError:
    return UnavailableError(
        f"no serve instance answers for the judge {model!r} now: start one with "
        "`python -m svc_serve`, or name another model"
    )


def _refusal(message: str, status: int, retryable: bool) -> UserError | RetryableError:  # noqa: FBT001
    words = f"the judge: {message}"
    return RetryableError(words) if retryable or status >= 500 else UserError(words)


def _text(model: str, status: int, data: bytes) -> str:
    """The text in a chat completion."""
    try:
        answer = json.loads(data)
        if status >= 400:
            raise _refusal(str(answer["error"]["message"]), status, retryable=status == 429)
        return str(answer["choices"][0]["message"]["content"] or "")
    except (ValueError, LookupError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise RetryableError(f"{model} answers with no chat completion (status {status})") from None
