"""The edge: protobuf requests in, chunks out, and requests that come twice."""

from pathlib import Path

import pytest

from burnish.errors import RetryableError, UserError
from burnish.v1 import common_pb2, infer_pb2
from svc_serve import codec
from svc_serve.config import ServeSettings
from svc_serve.engine import FinishReason, Priority, Sampling, TokenDelta
from svc_serve.inflight import Inflight
from svc_serve.vllm_engine import VllmEngine
from svc_serve.vllm_setup import arguments, prepare


def request(**sampling: object) -> infer_pb2.GenerateRequest:
    values = {"max_tokens": 5, "temperature": 0.5, **sampling}
    return infer_pb2.GenerateRequest(
        request_id="g",
        n=2,
        prompt_token_ids=[1, 2],
        sampling=common_pb2.SamplingParams(**values),  # type: ignore[arg-type]
    )


def test_a_rollout_comes_in_whole_completions() -> None:
    message = request(top_p=0, stop=["x"])
    message.priority = infer_pb2.PRIORITY_ROLLOUT
    job = codec.generate_job(message, "g#0.0", "a:v1")
    assert job.sampling == Sampling(0.5, 1.0, 5, None, ("x",))
    assert (job.priority, job.stream, job.adapter) == (Priority.ROLLOUT, False, "a:v1")
    message.priority = infer_pb2.PRIORITY_UNSPECIFIED
    assert codec.generate_job(message, "x", None).priority is Priority.INTERACTIVE


def test_a_seed_of_zero_is_a_seed() -> None:
    assert codec.generate_job(request(seed=0), "x", None).sampling.seed == 0


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"temperature": float("nan")}, "sampling.temperature"),
        ({"top_p": 2}, "sampling.top_p"),
        ({"max_tokens": 0}, "sampling.max_tokens"),
        ({"stop": [""]}, "sampling.stop"),
    ],
)
def test_values_out_of_bounds_are_refused(change: dict[str, object], field: str) -> None:
    with pytest.raises(UserError) as refused:
        codec.generate_job(request(**change), "x", None)
    assert refused.value.field == field


def test_a_chunk_carries_the_adapter_and_the_end() -> None:
    chunk = codec.chunk(TokenDelta(1, (7,), (-0.5,), FinishReason.STOP), "a:v1")
    assert chunk.finish_reason == common_pb2.FINISH_REASON_STOP
    assert (chunk.index, list(chunk.token_ids), chunk.adapter) == (1, [7], "a:v1")
    assert codec.chunk(TokenDelta(0, (), ()), "").finish_reason == 0


def test_cancelling_reaches_every_job_of_a_request() -> None:
    cancelled: list[str] = []
    inflight = Inflight(cancelled.append)
    with inflight.open("a") as ticket:
        ids = [ticket.job_id(), ticket.job_id()]
        inflight.cancel("a")
        inflight.cancel("unknown")
    assert cancelled == ids
    inflight.cancel("a")
    assert len(inflight) == 0


def test_a_request_that_comes_again_ends_the_first_one() -> None:
    cancelled: list[str] = []
    inflight = Inflight(cancelled.append)
    with inflight.open("a") as first:
        job = first.job_id()
        with inflight.open("a") as second:
            assert cancelled == [job]
            assert second.job_id() != job
            with pytest.raises(RetryableError):
                first.check()
            second.check()
        assert len(inflight) == 0


def test_vllm_is_told_what_the_settings_say() -> None:
    settings = ServeSettings(serve_max_rank=20, serve_max_context=512, serve_adapters=40)
    words = arguments(settings, settings.models_dir, dtype="float32", gpu=False)
    assert "--enforce-eager" in words
    assert "--max-lora-rank=32" in words
    assert "--max-loras=16" in words
    assert "--max-cpu-loras=40" in words
    assert "--max-model-len=512" in words
    assert "--logprobs-mode=processed_logprobs" in words
    assert not any("tensor-parallel" in word for word in words)
    split = ServeSettings(serve_tensor_parallel=4)
    words = arguments(split, split.models_dir, dtype="auto", gpu=True)
    assert "--tensor-parallel-size=4" in words
    environ = {"VLLM_CPU_OMP_THREADS_BIND": "0-3"}
    prepare(settings, environ)
    assert environ["VLLM_CPU_OMP_THREADS_BIND"] == "0-3"
    assert environ["VLLM_NO_USAGE_STATS"] == "1"


async def test_vllm_refuses_what_it_cannot_promise() -> None:
    message = request()
    message.deterministic = True
    job = codec.generate_job(message, "x", None)
    assert job.solo
    engine = VllmEngine(ServeSettings(), Path())
    with pytest.raises(UserError, match="BURNISH_SERVE_BATCH_INVARIANT"):
        await anext(engine.generate(job))


def test_vllm_is_told_to_be_batch_invariant() -> None:
    settings, environ = ServeSettings(serve_batch_invariant=True), dict[str, str]()
    prepare(settings, environ)
    assert environ["VLLM_BATCH_INVARIANT"] == "1"
    assert "--no-enable-prefix-caching" in arguments(settings, Path(), dtype="auto", gpu=True)
