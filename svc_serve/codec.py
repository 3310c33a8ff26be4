"""The edge between protobuf and this service."""

from collections.abc import Callable, Sequence

from burnish.errors import UserError
from burnish.v1 import common_pb2, infer_pb2
from svc_serve.adapters import AdapterSource
from svc_serve.engine import FinishReason, GenerateJob, Priority, Sampling, TokenDelta
from svc_serve.openai_layer import OpenAICall, OpenAIReply

MAX_COMPLETIONS = 1024

_FINISH = {
    None: common_pb2.FINISH_REASON_UNSPECIFIED,
    FinishReason.STOP: common_pb2.FINISH_REASON_STOP,
    FinishReason.LENGTH: common_pb2.FINISH_REASON_LENGTH,
    FinishReason.CANCELLED: common_pb2.FINISH_REASON_CANCELLED,
}


def adapter_source(
    request: infer_pb2.GenerateRequest | infer_pb2.OpenAIRequest,
) -> AdapterSource | None:
    """The adapter that a request names; None is the base model."""
    return source_of(request.adapter) if request.HasField("adapter") else None


def source_of(ref: common_pb2.AdapterRef) -> AdapterSource:
    return AdapterSource(ref.name, ref.base_model, ref.rank, ref.blob)


def generate_job(
    request: infer_pb2.GenerateRequest, job_id: str, adapter: str | None
) -> GenerateJob:
    """What the engine is asked for.

    Rollouts want whole completions: a message per token would cost more than it tells.

    Raises:
        UserError: A value is out of bounds.
    """
    if not 1 <= request.n <= MAX_COMPLETIONS:
        raise UserError(f"n is {request.n}", field="n", hint=f"1 to {MAX_COMPLETIONS}")
    rollout = request.priority == infer_pb2.PRIORITY_ROLLOUT
    return GenerateJob(
        request_id=job_id,
        prompt_token_ids=tuple(request.prompt_token_ids),
        n=request.n,
        sampling=_sampling(request.sampling),
        adapter=adapter,
        priority=Priority.ROLLOUT if rollout else Priority.INTERACTIVE,
        stream=not rollout,
        solo=request.deterministic,
    )


def chunk(delta: TokenDelta, adapter: str) -> infer_pb2.GenerateChunk:
    return infer_pb2.GenerateChunk(
        index=delta.index,
        token_ids=delta.token_ids,
        logprobs=delta.logprobs,
        finish_reason=_FINISH[delta.finish_reason],
        adapter=adapter,
    )


def openai_call(
    request: infer_pb2.OpenAIRequest, base: str, adapter: str | None, job_id: Callable[[], str]
) -> OpenAICall:
    return OpenAICall(
        id=request.request_id,
        path=request.path,
        body=request.body,
        model=request.adapter.name or base,
        adapter=adapter,
        job_id=job_id,
    )


def openai_chunk(reply: OpenAIReply) -> infer_pb2.OpenAIChunk:
    return infer_pb2.OpenAIChunk(
        data=reply.data, status=reply.status, content_type=reply.content_type
    )


def _sampling(sampling: common_pb2.SamplingParams) -> Sampling:
    _in_bounds("temperature", sampling.temperature, 0.0, 100.0)
    _in_bounds("top_p", sampling.top_p, 0.0, 1.0)
    if sampling.max_tokens < 1:
        raise UserError("max_tokens is missing", field="sampling.max_tokens", hint="1 or more")
    return Sampling(
        temperature=sampling.temperature,
        top_p=sampling.top_p or 1.0,
        max_tokens=sampling.max_tokens,
        seed=sampling.seed if sampling.HasField("seed") else None,
        stop=_stops(sampling.stop),
    )


def _in_bounds(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:  # also refuses NaN
        raise UserError(
            f"{name} is {value:g}", field=f"sampling.{name}", hint=f"{low:g} to {high:g}"
        )


def _stops(stops: Sequence[str]) -> tuple[str, ...]:
    if any(not stop for stop in stops):
        raise UserError("a stop string is empty", field="sampling.stop")
    return tuple(stops)
