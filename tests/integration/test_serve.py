"""The serve service over the bus: the same contract for both engines."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from serve_process import (
    BASE,
    Reference,
    ServeProcess,
    connected,
    greedy,
    log_probabilities,
    running,
    status,
    upload,
)

from burnish.bus import Bus, topology
from burnish.errors import UserError
from burnish.v1 import common_pb2, events_pb2, infer_pb2

pytestmark = [pytest.mark.model, pytest.mark.timeout(420)]

PROMPT = [1, 9690, 198, 2683, 359, 253, 5356, 5646]
# float32 against float32, and whatever vLLM computes in against float32: bf16 is off the most
# where a sampled token is improbable.
TOLERANCE = {"cpu": 1e-3, "vllm": 0.6}

Completion = tuple[list[int], list[float], int]


@pytest.fixture(scope="module", params=["cpu", pytest.param("vllm", marks=pytest.mark.vllm)])
def process(
    request: pytest.FixtureRequest, model_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServeProcess]:
    folder = tmp_path_factory.mktemp(f"serve-{request.param}")
    env = {"BURNISH_SERVE_MAX_CONTEXT": "1024", "BURNISH_SERVE_DTYPE": "auto"}
    if request.param == "cpu":
        env["BURNISH_SERVE_DTYPE"] = "fp32"
    with running(request.param, model_dir, folder, **env) as process:
        yield process


@pytest.fixture(scope="module")
def reference(model_dir: Path) -> Reference:
    return Reference(model_dir)


@pytest.fixture(scope="module")
def adapter(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reference.adapter(1, tmp_path_factory.mktemp("adapter"))


def ask(request_id: str, n: int = 1, **sampling: float) -> infer_pb2.GenerateRequest:
    return infer_pb2.GenerateRequest(
        request_id=request_id,
        base_model=BASE,
        prompt_token_ids=PROMPT,
        n=n,
        sampling=common_pb2.SamplingParams(**{"temperature": 1, "max_tokens": 12, **sampling}),
        priority=infer_pb2.PRIORITY_ROLLOUT,
    )


async def generate(bus: Bus, request: infer_pb2.GenerateRequest) -> list[Completion]:
    tokens: dict[int, list[int]] = defaultdict(list)
    logprobs: dict[int, list[float]] = defaultdict(list)
    finish: dict[int, int] = {}
    done = False
    subject = topology.infer_generate(BASE)
    async for chunk in bus.request(subject, request, infer_pb2.GenerateChunk, idle_timeout=60):
        assert not done
        assert chunk.adapter == request.adapter.name
        if chunk.done:
            done = True
            continue
        assert chunk.index not in finish
        assert len(chunk.token_ids) == len(chunk.logprobs)
        tokens[chunk.index] += chunk.token_ids
        logprobs[chunk.index] += chunk.logprobs
        if chunk.finish_reason:
            finish[chunk.index] = chunk.finish_reason
    assert done
    assert sorted(finish) == list(range(request.n))
    return [(tokens[index], logprobs[index], finish[index]) for index in range(request.n)]


async def openai(
    bus: Bus,
    body: dict[str, Any],
    path: str = "/v1/chat/completions",
    **more: common_pb2.AdapterRef,
) -> tuple[int, str, bytes]:
    request = infer_pb2.OpenAIRequest(
        request_id="o-1", base_model=BASE, path=path, body=json.dumps(body).encode(), **more
    )
    chunks = [
        chunk
        async for chunk in bus.request(
            topology.infer_openai(BASE), request, infer_pb2.OpenAIChunk, idle_timeout=60
        )
    ]
    assert chunks[-1].done
    data = b"".join(chunk.data for chunk in chunks)
    return chunks[0].status, chunks[0].content_type, data


def events(data: bytes) -> list[dict[str, Any]]:
    lines = [line for line in data.decode().split("\n\n") if line]
    assert lines.pop() == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def test_greedy_completions_follow_the_reference(
    process: ServeProcess, reference: Reference
) -> None:
    async with connected(process) as bus:
        done = await generate(bus, ask("greedy", n=3, temperature=0))
    expected = greedy(reference.base, PROMPT, 12)
    for tokens, logprobs, finish in done:
        if process.engine == "cpu":
            assert tokens == expected
        assert tokens[:4] == expected[:4]
        assert finish in (common_pb2.FINISH_REASON_LENGTH, common_pb2.FINISH_REASON_STOP)
        close_to_reference(process, reference.base, tokens, logprobs)


def close_to_reference(
    process: ServeProcess, model: torch.nn.Module, tokens: list[int], logprobs: list[float]
) -> None:
    difference = (torch.tensor(logprobs) - log_probabilities(model, PROMPT, tokens)).abs()
    assert difference.max() < TOLERANCE[process.engine]


async def test_an_adapter_is_loaded_on_first_use_beside_the_base_model(
    process: ServeProcess, reference: Reference, adapter: Path
) -> None:
    async with connected(process) as bus:
        tuned = ask("tuned", n=4)
        tuned.adapter.CopyFrom(await upload(bus, "job-a:v1", adapter))
        with_adapter, base = await asyncio.gather(
            generate(bus, tuned), generate(bus, ask("base", n=4))
        )
    model = reference.tuned(adapter)
    for tokens, logprobs, _ in with_adapter:
        close_to_reference(process, model, tokens, logprobs)
        off = (torch.tensor(logprobs) - log_probabilities(reference.base, PROMPT, tokens)).abs()
        assert off.max() > TOLERANCE[process.engine]
    for tokens, logprobs, _ in base:
        close_to_reference(process, reference.base, tokens, logprobs)
    assert len({tuple(tokens) for tokens, _, _ in base}) > 1


async def test_a_published_policy_is_loaded_before_anybody_asks(
    process: ServeProcess, reference: Reference, tmp_path: Path
) -> None:
    async with connected(process) as bus:
        before = (await status(bus)).metrics["adapters_loaded"]
        ref = await upload(bus, "job-b:v7", reference.adapter(2, tmp_path))
        published = events_pb2.PolicyPublished(project="default", job_id="job-b", adapter=ref)
        await bus.publish(published, id="job-b.v7")
        async with asyncio.timeout(20):
            while (await status(bus)).metrics["adapters_loaded"] != before + 1:  # noqa: ASYNC110
                await asyncio.sleep(0.2)


async def test_a_wrong_adapter_is_refused_and_says_why(
    process: ServeProcess, adapter: Path
) -> None:
    async with connected(process) as bus:
        ref = await upload(bus, "job-c:v1", adapter)
        request = ask("wrong-base")
        request.adapter.CopyFrom(ref)
        request.adapter.base_model = "other-model"
        with pytest.raises(UserError, match="belongs to other-model"):
            await generate(bus, request)
        request.adapter.CopyFrom(ref)
        request.adapter.name = "job-c:v2"
        request.adapter.blob.sha256 = "0" * 63
        with pytest.raises(UserError, match="no sha256"):
            await generate(bus, request)


async def test_bad_requests_name_the_field(process: ServeProcess) -> None:
    async with connected(process) as bus:
        for change, match in (
            ({"max_tokens": 0}, "max_tokens"),
            ({"temperature": -1}, "temperature"),
            ({"top_p": 1.5}, "top_p"),
        ):
            with pytest.raises(UserError, match=match):
                await generate(bus, ask("bad", **change))
        long = ask("long")
        long.prompt_token_ids.extend([5] * 1024)
        with pytest.raises(UserError, match="1024"):
            await generate(bus, long)
        assert len(await generate(bus, ask("good"))) == 1


async def test_a_cancelled_request_ends(process: ServeProcess) -> None:
    async with connected(process) as bus:
        work = asyncio.create_task(
            generate(bus, ask("endless", n=4, max_tokens=1000, temperature=2))
        )
        await asyncio.sleep(1.0)
        await bus.broadcast(topology.INFER_CANCEL, infer_pb2.CancelGeneration(request_id="endless"))
        async with asyncio.timeout(20):
            done = await work
    cancelled = [finish for _, _, finish in done]
    assert common_pb2.FINISH_REASON_CANCELLED in cancelled


async def test_a_seed_repeats_a_request(process: ServeProcess) -> None:
    async with connected(process) as bus:
        first, second, other = [
            await generate(bus, ask(f"seed-{number}", n=2, seed=seed))
            for number, seed in enumerate((5, 5, 6))
        ]
    assert [tokens for tokens, _, _ in first] == [tokens for tokens, _, _ in second]
    assert [tokens for tokens, _, _ in first] != [tokens for tokens, _, _ in other]


MESSAGES = [{"role": "user", "content": "Name the capital of France."}]


async def test_chat_completions(process: ServeProcess, adapter: Path) -> None:
    async with connected(process) as bus:
        body = {"model": "latest", "messages": MESSAGES, "temperature": 0, "max_tokens": 8}
        ref = await upload(bus, "job-a:v1", adapter)
        code, kind, data = await openai(bus, body, adapter=ref)
        answer = json.loads(data)
        assert (code, kind.split(";")[0]) == (200, "application/json")
        assert answer["model"] == "job-a:v1"
        assert answer["object"] == "chat.completion"
        assert answer["usage"]["completion_tokens"] <= 8
        text = answer["choices"][0]["message"]["content"]
        assert text

        streamed = {**body, "stream": True, "stream_options": {"include_usage": True}}
        code, kind, data = await openai(bus, streamed, adapter=ref)
        pieces = events(data)
        assert (code, kind.split(";")[0]) == (200, "text/event-stream")
        assert {piece["model"] for piece in pieces} == {"job-a:v1"}
        spoken = "".join(
            piece["choices"][0]["delta"].get("content") or ""
            for piece in pieces
            if piece["choices"]
        )
        assert spoken == text
        assert pieces[-1]["usage"]["prompt_tokens"] == answer["usage"]["prompt_tokens"]
        assert pieces[0]["choices"][0]["delta"]["role"] == "assistant"

        several = {**body, "n": 3, "temperature": 1, "seed": 7}
        _, _, data = await openai(bus, several, adapter=ref)
        assert [choice["index"] for choice in json.loads(data)["choices"]] == [0, 1, 2]


async def test_text_completions(process: ServeProcess) -> None:
    async with connected(process) as bus:
        body = {
            "model": BASE,
            "prompt": ["The capital of France is", "1, 2, 3, 4,"],
            "temperature": 0,
            "max_tokens": 6,
            "logprobs": 1,
        }
        code, _, data = await openai(bus, body, "/v1/completions")
        answer = json.loads(data)
        assert code == 200
        assert "Paris" in answer["choices"][0]["text"]
        assert "5" in answer["choices"][1]["text"]
        assert len(answer["choices"][0]["logprobs"]["token_logprobs"]) == 6


async def test_openai_errors_name_the_parameter(process: ServeProcess) -> None:
    async with connected(process) as bus:
        for body, param in (
            ({"messages": MESSAGES, "temperature": 9}, "temperature"),
            ({"messages": MESSAGES, "max_tokens": -5}, "max_tokens"),
            ({"messages": [{"role": "user", "content": "word " * 3000}]}, ""),
        ):
            code, _, data = await openai(bus, {"model": BASE, **body})
            error = json.loads(data)["error"]
            assert code == 400, error
            assert error["message"]
            assert param in (error.get("param") or error["message"])
