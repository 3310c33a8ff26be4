import dataclasses

import pytest

from burnish.errors import UserError
from svc_learner import archive
from svc_learner.checkpoint import Checkpoint
from svc_learner.progress import OpenEvaluation, Progress
from svc_learner.types import StepRecord, Ticket

PROGRESS = Progress(
    phase=2,
    version=9,
    step=3,
    drawn=12,
    reward_low=0.0,
    reward_high=1.0,
    cursor=77,
    frontier={"job.rl": 12},
    open=[Ticket("job.rl.11", 4, 8, 9), Ticket("job.eval-step-8.0", 0, 1, 8, "step-8")],
    evaluations=[OpenEvaluation("step-8", 8, "job:v8")],
    steps_to_announce=[StepRecord("rl", 9, {"loss": 0.5}, ["job.rl.3"])],
)


def test_a_checkpoint_comes_back_whole() -> None:
    saved = Checkpoint(PROGRESS, b"adapter", b"optimizer")
    loaded = Checkpoint.unpack(saved.pack())
    assert loaded == saved


def test_equal_states_have_equal_bytes() -> None:
    first = Checkpoint(PROGRESS, b"a", b"o").pack()
    assert first == Checkpoint(dataclasses.replace(PROGRESS), b"a", b"o").pack()
    assert archive.unpack(first)["adapter.tar"] == b"a"


@pytest.mark.parametrize("content", [b"", b"not a tar" * 100, archive.pack({"x": b"y"})])
def test_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(UserError):
        Checkpoint.unpack(content)
