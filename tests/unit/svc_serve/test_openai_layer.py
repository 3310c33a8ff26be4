"""OpenAI responses over a scripted engine, read back by the real client's types."""

import itertools
import json
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from burnish.errors import UnavailableError, UserError
from svc_serve.engine import FinishReason, GenerateJob, TokenDelta
from svc_serve.openai_layer import OpenAICall, OpenAILayer, OpenAIReply


class Letters:
    """A tokenizer whose tokens are characters."""

    def encode(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        return self.encode(messages[-1]["content"])

    def decode(self, token_ids: Sequence[int], *, special: bool = False) -> str:
        assert isinstance(special, bool)
        return "".join(chr(token) for token in token_ids)


class Echo:
    """Repeats the prompt, completion `i` in upper case if i is odd."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.jobs: list[GenerateJob] = []
        self._failure = failure

    async def generate(self, job: GenerateJob) -> AsyncGenerator[TokenDelta, None]:
        self.jobs.append(job)
        if self._failure:
            raise self._failure
        text = "".join(chr(token) for token in job.prompt_token_ids)
        for index in range(job.n):
            spoken = text.upper() if index % 2 else text
            for letter in spoken[:-1]:
                yield TokenDelta(index, (ord(letter),), (-0.5,))
            yield TokenDelta(index, (ord(spoken[-1]),), (-0.25,), FinishReason.LENGTH)


def call(body: dict[str, Any], path: str) -> OpenAICall:
    numbers = itertools.count()
    return OpenAICall(
        id="7",
        path=path,
        body=json.dumps(body).encode(),
        model="job:v3",
        adapter="job:v3",
        job_id=lambda: f"7.{next(numbers)}",
    )


async def answer(
    engine: Echo, body: dict[str, Any], path: str = "/v1/chat/completions"
) -> list[OpenAIReply]:
    layer = OpenAILayer(engine, Letters())  # type: ignore[arg-type]
    return [reply async for reply in layer.answer(call(body, path))]


def chat(text: str, **more: object) -> dict[str, Any]:
    return {"model": "job@latest", "messages": [{"role": "user", "content": text}], **more}


def events(replies: list[OpenAIReply]) -> list[dict[str, Any]]:
    data = b"".join(reply.data for reply in replies).decode().split("\n\n")
    assert data[-2:] == ["data: [DONE]", ""]
    return [json.loads(line.removeprefix("data: ")) for line in data[:-2]]


async def test_a_chat_answer() -> None:
    engine = Echo()
    [reply] = await answer(engine, chat("hey", n=2, logprobs=True))
    found = ChatCompletion.model_validate_json(reply.data)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert (found.id, found.model) == ("chatcmpl-7", "job:v3")
    assert [choice.message.content for choice in found.choices] == ["hey", "HEY"]
    assert {choice.finish_reason for choice in found.choices} == {"length"}
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (3, 6)
    logprobs = found.choices[0].logprobs
    assert logprobs is not None
    assert [entry.logprob for entry in logprobs.content or ()] == [-0.5, -0.5, -0.25]
    assert engine.jobs[0].adapter == "job:v3"
    assert not engine.jobs[0].stream


async def test_a_streamed_chat_answer() -> None:
    replies = await answer(Echo(), chat("hey", stream=True, stream_options={"include_usage": True}))
    assert {reply.content_type for reply in replies} == {"text/event-stream; charset=utf-8"}
    *pieces, last = [ChatCompletionChunk.model_validate(event) for event in events(replies)]
    assert pieces[0].choices[0].delta.role == "assistant"
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces) == "hey"
    assert pieces[-1].choices[0].finish_reason == "length"
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 6


async def test_text_answers_are_numbered_prompt_by_prompt() -> None:
    body = {"model": "m", "prompt": ["ab", "cd"], "n": 2, "logprobs": 1}
    [reply] = await answer(Echo(), body, "/v1/completions")
    found = Completion.model_validate_json(reply.data)
    assert [(choice.index, choice.text) for choice in found.choices] == [
        (0, "ab"),
        (1, "AB"),
        (2, "cd"),
        (3, "CD"),
    ]
    logprobs = found.choices[0].logprobs
    assert logprobs is not None
    assert (logprobs.tokens, logprobs.text_offset) == (["a", "b"], [0, 1])
    replies = await answer(Echo(), {**body, "stream": True}, "/v1/completions")
    texts = dict.fromkeys(range(4), "")
    for event in events(replies):
        assert event["object"] == "text_completion"
        for choice in event["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == {0: "ab", 1: "AB", 2: "cd", 3: "CD"}


async def test_the_stop_string_is_not_part_of_the_text() -> None:
    [reply] = await answer(Echo(), chat("one two three", stop=" t"))
    assert json.loads(reply.data)["choices"][0]["message"]["content"] == "one"


async def test_a_bad_request_is_answered_with_its_parameter() -> None:
    for body in (chat("x", temperature=3), chat("x", temperature=3, stream=True)):
        [reply] = await answer(Echo(), body)
        error = json.loads(reply.data)["error"]
        assert reply.status == 400
        assert (error["param"], error["type"]) == ("temperature", "invalid_request_error")


async def test_what_the_engine_refuses_is_a_bad_request_too() -> None:
    refusal = UserError("the prompt has 9 tokens", field="prompt")
    [reply] = await answer(Echo(refusal), chat("x", stream=True))
    assert (reply.status, json.loads(reply.data)["error"]["param"]) == (400, "messages")


async def test_an_engine_that_fails_is_not_an_answer() -> None:
    with pytest.raises(UnavailableError):
        await answer(Echo(UnavailableError("down")), chat("x"))
