"""What a group has received so far. No I/O."""

from dataclasses import dataclass, field

from burnish.errors import RetryableError
from burnish.v1 import common_pb2, infer_pb2


@dataclass(slots=True)
class Completion:
    """One completion as it grows."""

    token_ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish_reason: common_pb2.FinishReason = common_pb2.FINISH_REASON_UNSPECIFIED


class GroupProgress:
    """Collects a stream of chunks into `size` completions."""

    def __init__(self, size: int) -> None:
        self._completions = [Completion() for _ in range(size)]
        self._finished = 0
        self.adapter = ""

    def add(self, chunk: infer_pb2.GenerateChunk) -> Completion | None:
        """Take one chunk; returns its completion when that was the last of it.

        Raises:
            RetryableError: the engine sent a chunk that fits nowhere.
        """
        if chunk.index >= len(self._completions):
            raise RetryableError(f"the engine sent completion {chunk.index} of a smaller group")
        completion = self._completions[chunk.index]
        if completion.finish_reason:
            raise RetryableError(f"the engine went on with finished completion {chunk.index}")
        if len(chunk.token_ids) != len(chunk.logprobs):
            raise RetryableError("the engine sent tokens without their logprobs")
        completion.token_ids.extend(chunk.token_ids)
        completion.logprobs.extend(chunk.logprobs)
        self.adapter = chunk.adapter or self.adapter
        if not chunk.finish_reason:
            return None
        completion.finish_reason = chunk.finish_reason
        self._finished += 1
        return completion

    @property
    def complete(self) -> bool:
        return self._finished == len(self._completions)
