"""vLLM's own OpenAI app, in this process: nothing of it is re-implemented."""

import asyncio
import contextlib
import json
from typing import Any, cast

from burnish.errors import UnavailableError, UserError
from svc_serve import asgi, openai_response
from svc_serve.openai_layer import OpenAICall, OpenAIReply, Replies
from svc_serve.openai_request import CHAT, COMPLETIONS
from svc_serve.vllm_engine import VllmEngine


class VllmOpenAI:
    """Passes bodies to the app; the model they name becomes the exact adapter."""

    def __init__(self, engine: VllmEngine) -> None:
        self._engine = engine
        self._app: asgi.Application | None = None
        self._lock = asyncio.Lock()

    async def answer(self, call: OpenAICall) -> Replies:
        """The response. A bad request is answered, not raised.

        Raises:
            RetryableError: The engine failed.
        """
        try:
            body = _rewritten(call)
        except UserError as problem:
            yield OpenAIReply(openai_response.error(problem), 400)
            return
        job_id = call.job_id()
        cancelled = asyncio.Event()
        with self._engine.tracked(job_id, 1, cancelled.set):
            app = await self._ready()
            headers = [("x-request-id", job_id)]
            pieces = asgi.post(app, call.path, body, headers=headers, disconnected=cancelled)
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    if piece.status >= 500:
                        reason = piece.body[:500].decode("utf-8", "replace")
                        raise UnavailableError(f"vLLM failed: {reason}")
                    yield OpenAIReply(piece.body, piece.status, piece.content_type)

    async def _ready(self) -> asgi.Application:
        """The app, built when it is first asked for."""
        async with self._lock:
            if self._app is None:
                self._app = await self._build()
        return self._app

    async def _build(self) -> asgi.Application:
        from vllm.entrypoints.launchers.api_server.app_state import init_app_state  # noqa: PLC0415
        from vllm.entrypoints.launchers.app import build_app  # noqa: PLC0415

        llm, args = self._engine.llm, self._engine.args
        tasks = await llm.get_supported_tasks()
        app: Any = build_app(args, tasks, llm.model_config)
        await init_app_state(llm, app.state, args, tasks)
        # The app finds adapters where the engine keeps them.
        app.state.openai_serving_models.lora_requests = self._engine.loras
        return cast("asgi.Application", app)


def _rewritten(call: OpenAICall) -> bytes:
    """The body with the exact model's name, and with the priority of people."""
    if call.path not in (CHAT, COMPLETIONS):
        raise UserError(f"there is no {call.path}", hint=f"{CHAT}, {COMPLETIONS}")
    try:
        body = json.loads(call.body)
    except ValueError as error:
        raise UserError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UserError("the body is not a JSON object")
    return openai_response.encode({**body, "model": call.model, "priority": 0})
