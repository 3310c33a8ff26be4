import dataclasses

import pytest
from learner_kit import completion

from burnish.errors import UserError
from burnish.run_spec import Success
from svc_learner.alarms import AlarmState, Evidence
from svc_learner.curriculum import CurriculumState
from svc_learner.evaluation.standing import Best, Patience
from svc_learner.state import archive
from svc_learner.state.checkpoint import Checkpoint
from svc_learner.state.progress import OpenEvaluation, Progress
from svc_learner.types import Advance, Alarm, StepRecord, Ticket

EVIDENCE = Evidence.of([completion(index=i, reward=float(i), good=1.0) for i in (0, 1)], Success())
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
    curriculum=CurriculumState("file-1", 1, 3, [4, 5], {0: 0.5, 12: 1.0}, [0.25]),
    advances=[Advance(9, "hard", 2, 2, "because")],
    best=Best(8, "job:v8", 0.5, 1),
    patience=Patience(0.5, 1),
    alarm_state=AlarmState("1", [EVIDENCE], [EVIDENCE, EVIDENCE], 0.1, {"gap": 8}),
    alarms=[Alarm(8, "gap", "it grew", 0.4, 0.3)],
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
