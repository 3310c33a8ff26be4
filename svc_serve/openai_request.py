"""OpenAI request bodies → what the engine is asked for. No I/O.

Fields that would change the answer and are not implemented are refused by name; fields that only
describe the request (`user`, `metadata`, `store`, ...) are ignored.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.errors import UserError
from svc_serve.engine import Sampling
from svc_serve.tokenizer import Tokenizer

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
MAX_CHOICES = 128
MAX_STOPS = 16
_DEFAULT_COMPLETION_TOKENS = 16
_NO_LIMIT = 2**31

Body = Mapping[str, Any]

# Field → the values that change nothing.
_ONLY_IF_NEUTRAL: dict[str, tuple[object, ...]] = {
    "frequency_penalty": (None, 0),
    "presence_penalty": (None, 0),
    "logit_bias": (None, {}),
    "tools": (None, []),
    "functions": (None, []),
    "top_logprobs": (None, 0),
    "suffix": (None, ""),
    "echo": (None, False),
    "response_format": (None, {"type": "text"}),
    "modalities": (None, ["text"]),
    "top_k": (None, -1, 0),
    "min_p": (None, 0),
    "repetition_penalty": (None, 1),
}


@dataclass(frozen=True, slots=True)
class OpenAIAsk:
    """A checked request. Its choices are numbered prompt by prompt."""

    chat: bool
    prompts: tuple[tuple[int, ...], ...]
    n: int
    sampling: Sampling
    stream: bool
    include_usage: bool
    logprobs: bool


def parse(path: str, data: bytes, tokenizer: Tokenizer) -> OpenAIAsk:
    """Check a body and render its prompts.

    Raises:
        UserError: The field at fault, and what it accepts.
    """
    body = _object(data)
    chat = path == CHAT
    if not chat and path != COMPLETIONS:
        raise UserError(f"there is no {path}", hint=f"{CHAT}, {COMPLETIONS}")
    for name, neutral in _ONLY_IF_NEUTRAL.items():
        if body.get(name) not in neutral:
            raise UserError(f"{name} is not supported by this engine", field=name)
    n = _integer(body, "n", 1, MAX_CHOICES) or 1
    if body.get("best_of") not in (None, n):
        raise UserError("best_of is not supported by this engine", field="best_of", hint=f"{n}")
    return OpenAIAsk(
        chat=chat,
        prompts=((tuple(tokenizer.chat(_messages(body))),) if chat else _prompts(body, tokenizer)),
        n=n,
        sampling=_sampling(body, chat=chat),
        stream=_boolean(body, "stream"),
        include_usage=_boolean(_mapping(body, "stream_options"), "include_usage"),
        logprobs=_wants_logprobs(body, chat=chat),
    )


def _object(data: bytes) -> Body:
    try:
        body = json.loads(data)
    except ValueError as error:
        raise UserError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise UserError("the body is not a JSON object")
    return body


def _sampling(body: Body, *, chat: bool) -> Sampling:
    limit = _integer(body, "max_tokens", 1, _NO_LIMIT)
    if chat:
        limit = _integer(body, "max_completion_tokens", 1, _NO_LIMIT) or limit
    temperature = _number(body, "temperature", 0.0, 2.0)
    top_p = _number(body, "top_p", 0.0, 1.0)
    return Sampling(
        temperature=1.0 if temperature is None else temperature,
        top_p=top_p or 1.0,
        max_tokens=limit or (_NO_LIMIT if chat else _DEFAULT_COMPLETION_TOKENS),
        seed=_integer(body, "seed", -(2**63), 2**64 - 1),
        stop=_stops(body.get("stop")),
    )


def _stops(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    stops = [value] if isinstance(value, str) else value
    if (
        not isinstance(stops, list)
        or len(stops) > MAX_STOPS
        or not all(isinstance(stop, str) and stop for stop in stops)
    ):
        raise UserError(
            "stop is not accepted", field="stop", hint=f"one to {MAX_STOPS} non-empty strings"
        )
    return tuple(stops)


def _messages(body: Body) -> list[dict[str, str]]:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise UserError("messages is missing", field="messages", hint="a non-empty list")
    return [_message(message, f"messages[{number}]") for number, message in enumerate(messages)]


def _message(message: object, field: str) -> dict[str, str]:
    if not isinstance(message, dict):
        raise UserError("a message is not an object", field=field)
    role = message.get("role")
    if role == "developer":
        role = "system"
    if role not in ("system", "user", "assistant"):
        raise UserError(
            f"role {role!r} is not accepted", field=f"{field}.role", hint="system, user, assistant"
        )
    return {"role": role, "content": _text(message.get("content"), f"{field}.content")}


def _text(content: object, field: str) -> str:
    """A string, or the text parts of a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = [
            part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
            for part in content
        ]
        if all(isinstance(text, str) for text in texts):
            return "".join(str(text) for text in texts)
    raise UserError("content is not text", field=field, hint="a string, or text parts")


def _prompts(body: Body, tokenizer: Tokenizer) -> tuple[tuple[int, ...], ...]:
    """One prompt or several, each as text or as token ids."""
    value = body.get("prompt")
    if isinstance(value, str):
        return (tuple(tokenizer.encode(value)),)
    if isinstance(value, list) and value:
        if _are_ids(value):
            return (tuple(value),)
        if all(isinstance(one, str) for one in value):
            return tuple(tuple(tokenizer.encode(one)) for one in value)
        if all(_are_ids(one) for one in value):
            return tuple(tuple(one) for one in value)
    raise UserError(
        "prompt is not accepted", field="prompt", hint="a string, token ids, or a list of either"
    )


def _are_ids(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value)
    )


def _wants_logprobs(body: Body, *, chat: bool) -> bool:
    if chat:
        return _boolean(body, "logprobs")
    count = _integer(body, "logprobs", 0, 1)
    return count is not None


def _number(body: Body, name: str, low: float, high: float) -> float | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{name} is not a number", field=name, hint=f"{low:g} to {high:g}")
    if not low <= value <= high:
        raise UserError(f"{name} is {value:g}", field=name, hint=f"{low:g} to {high:g}")
    return float(value)


def _integer(body: Body, name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UserError(f"{name} is {value!r}", field=name, hint=f"a whole number, {low} to {high}")
    return value


def _boolean(body: Body, name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise UserError(f"{name} is {value!r}", field=name, hint="true or false")
    return bool(value)


def _mapping(body: Body, name: str) -> Body:
    value: Sequence[object] | Body = body.get(name) or {}
    if not isinstance(value, dict):
        raise UserError(f"{name} is not an object", field=name)
    return value
