import pytest

from burnish.errors import RetryableError
from burnish.v1 import common_pb2, infer_pb2
from svc_rollout.group import GroupProgress


def chunk(index: int, *tokens: int, last: bool = False) -> infer_pb2.GenerateChunk:
    return infer_pb2.GenerateChunk(
        index=index,
        token_ids=tokens,
        logprobs=[-1.0] * len(tokens),
        finish_reason=common_pb2.FINISH_REASON_STOP if last else 0,
        adapter="job-1:v2",
    )


def test_completions_leave_as_they_finish() -> None:
    progress = GroupProgress(2)
    assert progress.add(chunk(0, 1, 2)) is None
    done = progress.add(chunk(1, 7, last=True))
    assert done is not None
    assert done.token_ids == [7]
    assert not progress.complete
    done = progress.add(chunk(0, 3, last=True))
    assert done is not None
    assert done.token_ids == [1, 2, 3]
    assert progress.complete
    assert progress.adapter == "job-1:v2"


def test_an_engine_that_breaks_the_contract_is_retried() -> None:
    progress = GroupProgress(1)
    with pytest.raises(RetryableError, match="smaller group"):
        progress.add(chunk(1, 1))
    with pytest.raises(RetryableError, match="without their logprobs"):
        progress.add(infer_pb2.GenerateChunk(token_ids=[1]))
    progress.add(chunk(0, 1, last=True))
    with pytest.raises(RetryableError, match="finished completion"):
        progress.add(chunk(0, 2))
