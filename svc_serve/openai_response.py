"""OpenAI response bodies and server-sent events. No I/O."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.errors import UserError
from svc_serve.engine import FinishReason

Json = dict[str, Any]

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class ScoredToken:
    text: str
    logprob: float


@dataclass(slots=True)
class Choice:
    """One completion, as far as it is."""

    index: int
    text: str = ""
    tokens: list[ScoredToken] = field(default_factory=list)
    """Filled only when log probabilities are asked for."""
    finish_reason: FinishReason | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all objects of one response share."""

    id: str
    model: str
    """The exact adapter, or the base model."""
    created: int
    chat: bool
    logprobs: bool

    def whole(self, choices: Sequence[Choice], usage: Json) -> bytes:
        """The body of a response that does not stream."""
        kind = "chat.completion" if self.chat else "text_completion"
        return encode(
            {**self._head(kind), "choices": [*map(self._choice, choices)], "usage": usage}
        )

    def opening(self, index: int) -> bytes:
        """A chat choice's first event: who speaks."""
        choice = {
            "index": index,
            "delta": {"role": "assistant", "content": ""},
            "logprobs": None,
            "finish_reason": None,
        }
        return self._event([choice])

    def piece(self, choice: Choice) -> bytes:
        """An event with what is new of one choice."""
        if not self.chat:
            return self._event([self._choice(choice)])
        return self._event(
            [
                {
                    "index": choice.index,
                    "delta": {"content": choice.text} if choice.text else {},
                    "logprobs": self._logprobs(choice),
                    "finish_reason": _finish(choice),
                }
            ]
        )

    def usage_event(self, usage: Json) -> bytes:
        return self._event([], usage=usage)

    def _event(self, choices: Sequence[Json], **more: Json) -> bytes:
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return b"data: " + encode({**self._head(kind), "choices": list(choices), **more}) + b"\n\n"

    def _head(self, kind: str) -> Json:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}

    def _choice(self, choice: Choice) -> Json:
        content: Json = (
            {"message": {"role": "assistant", "content": choice.text, "refusal": None}}
            if self.chat
            else {"text": choice.text}
        )
        return {
            "index": choice.index,
            **content,
            "logprobs": self._logprobs(choice),
            "finish_reason": _finish(choice),
        }

    def _logprobs(self, choice: Choice) -> Json | None:
        if not self.logprobs:
            return None
        if self.chat:
            return {"content": [_chat_logprob(token) for token in choice.tokens], "refusal": None}
        offsets, at = [], 0
        for token in choice.tokens:
            offsets.append(at)
            at += len(token.text)
        return {
            "tokens": [token.text for token in choice.tokens],
            "token_logprobs": [token.logprob for token in choice.tokens],
            "top_logprobs": [{token.text: token.logprob} for token in choice.tokens],
            "text_offset": offsets,
        }


def usage(prompt_tokens: int, completion_tokens: int) -> Json:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def error(problem: UserError) -> bytes:
    """The body of a refused request."""
    return encode(
        {
            "error": {
                "message": str(problem),
                "type": "invalid_request_error",
                "param": problem.field or None,
                "code": None,
            }
        }
    )


def encode(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _finish(choice: Choice) -> str | None:
    if choice.finish_reason is FinishReason.CANCELLED:
        return FinishReason.STOP.value  # OpenAI has no word for it
    return choice.finish_reason.value if choice.finish_reason else None


def _chat_logprob(token: ScoredToken) -> Json:
    return {
        "token": token.text,
        "logprob": token.logprob,
        "bytes": list(token.text.encode()),
        "top_logprobs": [],
    }
