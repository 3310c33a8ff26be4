"""OpenAI bodies: what is taken, what is refused, and by which name."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from burnish.errors import UserError
from svc_serve.openai_request import CHAT, COMPLETIONS, OpenAIAsk, parse


class Words:
    """A tokenizer whose tokens are words."""

    def encode(self, text: str) -> list[int]:
        return [len(word) for word in text.split()]

    def chat(self, messages: Sequence[dict[str, str]]) -> list[int]:
        return [len(message["content"]) for message in messages]


def ask(body: dict[str, Any], path: str = CHAT) -> OpenAIAsk:
    body = {"model": "m", **body}
    if path == CHAT:
        body = {"messages": [{"role": "user", "content": "hi"}], **body}
    return parse(path, json.dumps(body).encode(), Words())  # type: ignore[arg-type]


def test_defaults_are_those_of_the_api() -> None:
    chat, text = ask({}), ask({"prompt": "one two"}, COMPLETIONS)
    assert (chat.sampling.temperature, chat.sampling.top_p, chat.n) == (1.0, 1.0, 1)
    assert chat.sampling.max_tokens > 10**6
    assert text.sampling.max_tokens == 16
    assert text.prompts == ((3, 3),)
    assert not chat.stream
    assert not chat.logprobs


def test_everything_is_passed_on() -> None:
    body = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "max_completion_tokens": 8,
        "stop": "x",
        "seed": -3,
        "n": 4,
        "stream": True,
        "stream_options": {"include_usage": True},
        "logprobs": True,
        "user": "somebody",
        "metadata": {"a": "b"},
        "response_format": {"type": "text"},
        "frequency_penalty": 0,
        "unheard_of": 1,
    }
    found = ask(body)
    assert found.sampling.max_tokens == 8
    assert found.sampling.stop == ("x",)
    assert (found.sampling.temperature, found.sampling.top_p) == (0.5, 0.9)
    assert (found.sampling.seed, found.n) == (-3, 4)
    assert found.stream
    assert found.include_usage
    assert found.logprobs


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"stop": ["a", 1]}, "stop"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 17}, "stop"),
        ({"seed": "x"}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": []}, None),
        ({"stream_options": [1]}, "stream_options"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content",
        ),
    ],
)
def test_bad_values_are_refused_by_name(body: dict[str, Any], field: str | None) -> None:
    if field is None:
        ask(body)
        return
    with pytest.raises(UserError) as refused:
        ask(body)
    assert refused.value.field == field


def test_text_parts_and_the_developer_role_are_understood() -> None:
    messages = [
        {"role": "developer", "content": "be brief"},
        {
            "role": "user",
            "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "bc"}],
        },
    ]
    assert ask({"messages": messages}).prompts == ((8, 3),)


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("a bb", ((1, 2),)),
        (["a", "bb ccc"], ((1,), (2, 3))),
        ([5, 6], ((5, 6),)),
        ([[5, 6], [7]], ((5, 6), (7,))),
    ],
)
def test_prompts_are_text_or_token_ids(prompt: object, prompts: tuple[tuple[int, ...]]) -> None:
    assert ask({"prompt": prompt}, COMPLETIONS).prompts == prompts


@pytest.mark.parametrize("prompt", [None, [], 5, [5, "a"], [[]], [-1], [True]])
def test_other_prompts_are_refused(prompt: object) -> None:
    with pytest.raises(UserError, match="prompt"):
        ask({"prompt": prompt}, COMPLETIONS)


def test_bodies_that_are_no_objects_and_unknown_paths_are_refused() -> None:
    for data in (b"{", b"[]", b"\xff"):
        with pytest.raises(UserError, match="body"):
            parse(CHAT, data, Words())  # type: ignore[arg-type]
    with pytest.raises(UserError, match="/v1/embeddings"):
        ask({}, "/v1/embeddings")
