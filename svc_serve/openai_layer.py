"""Answers OpenAI requests over an engine that only knows token ids."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from burnish.errors import NotFoundError, UserError
from svc_serve import openai_request, openai_response
from svc_serve.engine import Engine, GenerateJob, Priority, TokenDelta
from svc_serve.openai_request import OpenAIAsk
from svc_serve.openai_response import Choice, Envelope, ScoredToken
from svc_serve.text_stream import TextStream
from svc_serve.tokenizer import Tokenizer

JSON = "application/json"
EVENTS = "text/event-stream; charset=utf-8"

Replies = AsyncGenerator["OpenAIReply", None]


@dataclass(frozen=True, slots=True)
class OpenAIReply:
    """A piece of a response's body; status and type are those of the whole response."""

    data: bytes
    status: int = 200
    content_type: str = JSON


@dataclass(frozen=True, slots=True)
class OpenAICall:
    """One request as it arrived."""

    id: str
    path: str
    body: bytes
    model: str
    """What the response calls the model: the exact adapter, or the base model."""
    adapter: str | None
    """The adapter's name in the engine."""
    job_id: Callable[[], str]
    """A fresh id for each job that the request becomes."""


class OpenAILayer:
    """Chat and text completions, streamed or not."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer) -> None:
        self._engine = engine
        self._tokenizer = tokenizer

    async def answer(self, call: OpenAICall) -> Replies:
        """The response. A bad request is answered, not raised.

        Raises:
            RetryableError: The engine failed.
        """
        try:
            ask = await asyncio.to_thread(
                openai_request.parse, call.path, call.body, self._tokenizer
            )
            started = Answer(self._engine, self._tokenizer, call, ask)
            async for reply in started.events() if ask.stream else started.whole():
                yield reply
        except UserError as problem:
            status = 404 if isinstance(problem, NotFoundError) else 400
            yield OpenAIReply(openai_response.error(_as_openai(problem, call.path)), status)


class Answer:
    """One request being answered."""

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, call: OpenAICall, ask: OpenAIAsk
    ) -> None:
        self._ask = ask
        self._tokenizer = tokenizer
        self._updates = _merge(
            [engine.generate(job) for job in _jobs(call, ask)],
        )
        self._streams = [
            TextStream(tokenizer.decode, ask.sampling.stop) for _ in range(len(ask.prompts) * ask.n)
        ]
        self._tokens = 0
        self._envelope = Envelope(
            id=f"{'chatcmpl' if ask.chat else 'cmpl'}-{call.id}",
            model=call.model,
            created=int(time.time()),
            chat=ask.chat,
            logprobs=ask.logprobs,
        )

    async def whole(self) -> Replies:
        choices = [Choice(index) for index in range(len(self._streams))]
        async for piece in self._pieces():
            choice = choices[piece.index]
            choice.text += piece.text
            choice.tokens += piece.tokens
            choice.finish_reason = piece.finish_reason
        yield OpenAIReply(self._envelope.whole(choices, self._usage()))

    async def events(self) -> Replies:
        opened: set[int] = set()
        async for piece in self._pieces():
            if self._ask.chat and piece.index not in opened:
                opened.add(piece.index)
                yield self._event(self._envelope.opening(piece.index))
            if piece.text or piece.finish_reason or (piece.tokens and self._ask.logprobs):
                yield self._event(self._envelope.piece(piece))
        if self._ask.include_usage:
            yield self._event(self._envelope.usage_event(self._usage()))
        yield self._event(openai_response.DONE)

    async def _pieces(self) -> AsyncIterator[Choice]:
        """What is new, choice by choice."""
        async for prompt, delta in self._updates:
            self._tokens += len(delta.token_ids)
            index = prompt * self._ask.n + delta.index
            yield Choice(
                index=index,
                text=self._streams[index].push(
                    delta.token_ids, last=delta.finish_reason is not None
                ),
                tokens=self._scored(delta),
                finish_reason=delta.finish_reason,
            )

    def _scored(self, delta: TokenDelta) -> list[ScoredToken]:
        if not self._ask.logprobs:
            return []
        return [
            ScoredToken(self._tokenizer.decode([token], special=True), logprob)
            for token, logprob in zip(delta.token_ids, delta.logprobs, strict=True)
        ]

    def _usage(self) -> openai_response.Json:
        return openai_response.usage(sum(map(len, self._ask.prompts)), self._tokens)

    def _event(self, data: bytes) -> OpenAIReply:
        return OpenAIReply(data, content_type=EVENTS)


def _jobs(call: OpenAICall, ask: OpenAIAsk) -> list[GenerateJob]:
    return [
        GenerateJob(
            request_id=call.job_id(),
            prompt_token_ids=prompt,
            n=ask.n,
            sampling=ask.sampling,
            adapter=call.adapter,
            priority=Priority.INTERACTIVE,
            stream=ask.stream,
        )
        for prompt in ask.prompts
    ]


async def _merge(
    streams: Sequence[AsyncIterator[TokenDelta]],
) -> AsyncIterator[tuple[int, TokenDelta]]:
    """Items of all streams as they come, each with its stream's number; the first error ends all."""
    updates: asyncio.Queue[tuple[int, TokenDelta] | BaseException | None] = asyncio.Queue()

    async def drain(number: int, stream: AsyncIterator[TokenDelta]) -> None:
        try:
            async for item in stream:
                updates.put_nowait((number, item))
        except BaseException as error:
            updates.put_nowait(error)
            raise
        updates.put_nowait(None)

    tasks = [asyncio.create_task(drain(*numbered)) for numbered in enumerate(streams)]
    try:
        running = len(tasks)
        while running:
            update = await updates.get()
            if isinstance(update, BaseException):
                raise update
            if update is None:
                running -= 1
            else:
                yield update
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _as_openai(problem: UserError, path: str) -> UserError:
    """The engine speaks of a prompt; a chat request calls it messages."""
    if problem.field == "prompt" and path == openai_request.CHAT:
        problem.field = "messages"
    return problem
