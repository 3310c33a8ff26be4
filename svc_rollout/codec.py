"""The edge between protobuf and this service."""

import hashlib

from burnish.errors import RetryableError, UserError
from burnish.stopwatch import Stopwatch
from burnish.v1 import common_pb2, events_pb2, infer_pb2
from svc_rollout.group import Completion


def generate_request(
    request: events_pb2.RolloutRequested, prompt_token_ids: list[int]
) -> infer_pb2.GenerateRequest:
    """What the engine is asked for. The seed follows from the group, so a repeated group repeats."""
    message = infer_pb2.GenerateRequest(
        request_id=request.group_id,
        base_model=request.base_model,
        prompt_token_ids=prompt_token_ids,
        n=request.group_size,
        sampling=request.sampling,
        priority=infer_pb2.PRIORITY_ROLLOUT,
        deterministic=request.deterministic,
    )
    if request.HasField("adapter"):
        message.adapter.CopyFrom(request.adapter)
    if not message.sampling.HasField("seed"):
        digest = hashlib.sha256(request.group_id.encode()).digest()
        message.sampling.seed = int.from_bytes(digest[:4])
    return message


def check(chunk: infer_pb2.GenerateChunk) -> None:
    """Raise what the engine reported."""
    if not chunk.HasField("error"):
        return
    if chunk.error.retryable:
        raise RetryableError(chunk.error.message)
    raise UserError(chunk.error.message, field=chunk.error.param)


def completed(
    request: events_pb2.RolloutRequested,
    index: int,
    completion: Completion,
    *,
    text: str,
    prompt_token_ids: list[int],
    adapter: str,
    watch: Stopwatch,
) -> events_pb2.RolloutCompleted:
    """A completion whose last token has just come."""
    message = events_pb2.RolloutCompleted(
        project=request.project,
        job_id=request.job_id,
        group_id=request.group_id,
        completion_id=f"{request.group_id}.{index}",
        index=index,
        group_size=request.group_size,
        purpose=request.purpose,
        row=request.row,
        completion=text,
        prompt_token_ids=prompt_token_ids,
        completion_token_ids=completion.token_ids,
        logprobs=completion.logprobs,
        finish_reason=completion.finish_reason,
        policy_version=request.adapter.policy_version,
        adapter=adapter,
        rewards=request.rewards,
        context=request.context,
        on_reward_error=request.on_reward_error,
        attempt=request.attempt,
    )
    _note_time(message, watch)
    return message


def _note_time(message: events_pb2.RolloutCompleted, watch: Stopwatch) -> None:
    message.seconds, message.waited_seconds = watch.seconds, watch.waited
    message.time.GetCurrentTime()


def message_id(message: events_pb2.RolloutCompleted) -> str:
    return f"{message.completion_id}{_suffix(message.attempt)}"


def group_message_id(request: events_pb2.RolloutRequested) -> str:
    return f"{request.group_id}{_suffix(request.attempt)}"


def _suffix(attempt: int) -> str:
    return f".again.{attempt}" if attempt else ""


def group(
    request: events_pb2.RolloutRequested,
    completions: list[events_pb2.RolloutCompleted],
    watch: Stopwatch,
) -> events_pb2.GroupCompleted:
    """A whole group whose last token has just come, in the order of its completions' indices."""
    ordered: list[events_pb2.RolloutCompleted] = sorted(completions, key=_index)
    for completion in ordered:
        _note_time(completion, watch)
    return events_pb2.GroupCompleted(
        project=request.project,
        job_id=request.job_id,
        group_id=request.group_id,
        completions=ordered,
    )


def _index(completion: events_pb2.RolloutCompleted) -> int:
    return completion.index


def cancelled(
    request: events_pb2.RolloutRequested, reason: events_pb2.CancelReason, message: str
) -> events_pb2.GroupCancelled:
    return events_pb2.GroupCancelled(
        project=request.project,
        job_id=request.job_id,
        group_id=request.group_id,
        reason=reason,
        message=message,
        attempt=request.attempt,
    )


def messages(row: common_pb2.PromptRow) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in row.messages]
