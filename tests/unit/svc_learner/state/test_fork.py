"""What a fork takes over of another job's progress, and what it leaves."""

from typing import Any

import pytest

from burnish.budgets import Usage
from burnish.errors import UserError
from burnish.spec import JobSpec
from svc_learner.alarms import AlarmState
from svc_learner.evaluation.standing import Best, Patience
from svc_learner.state.fork import Branch, forked
from svc_learner.state.progress import OpenEvaluation, Progress
from svc_learner.types import StepRecord, Ticket

REWARDS = [("good", "0" * 64, 1.0)]
RL = {"rl": {"steps": 9, "group_size": 4}}


def branch(job_id: str = "job-1", rewards: Any = REWARDS, **changes: object) -> Branch:  # noqa: ANN401
    data = {
        "training_file": "file-1",
        "evaluation_file": "file-2",
        "rewards": [{"name": "good", "revision": "0" * 64}],
        "stages": [{"sft": {}}, RL],
    }
    return Branch(job_id, JobSpec.parse(data | changes), rewards)


def progress() -> Progress:
    """In the RL stage; the plan is base, sft, sft's evaluation, rl, final."""
    return Progress(
        phase=3,
        version=12,
        step=7,
        drawn=40,
        barren=2,
        reward_low=0.0,
        reward_high=1.0,
        usage=Usage(100, 2.0, 12),
        cursor=77,
        frontier={"job-1.rl1": 40, "job-1.eval-base": 3},
        open=[
            Ticket("job-1.rl1.39", row=1, size=4, policy_version=11),
            Ticket("job-1.eval-step-12.0", row=0, size=1, policy_version=12, label="step-12"),
        ],
        evaluations=[OpenEvaluation("step-12", 12, "job-1:v12")],
        evaluated="step-12",
        steps_to_announce=[StepRecord("rl", 12)],
        reward_set=3,
        best=Best(8, "job-1:v8", 0.5, 3),
        patience=Patience(0.5, 1),
        alarm_state=AlarmState(),
    )


def test_position_and_draws_go_on_under_the_new_name() -> None:
    found = forked(progress(), branch(), branch("job-2"), Progress())
    assert (found.phase, found.version, found.step, found.drawn) == (3, 12, 7, 40)
    assert found.frontier == {"job-2.rl1": 40}
    assert found.open == [Ticket("job-2.rl1.39", row=1, size=4, policy_version=11)]
    assert (found.barren, found.reward_high, found.patience.waited) == (2, 1.0, 1)


def test_what_the_other_job_said_and_used_stays_there() -> None:
    found = forked(progress(), branch(), branch("job-2"), Progress())
    assert found.usage == Usage()
    assert (found.cursor, found.reward_set, found.best, found.evaluated) == (0, 1, None, "")
    assert found.evaluations == found.steps_to_announce == found.reward_changes == []


def test_other_rewards_begin_their_statistics_anew() -> None:
    other = branch("job-2", rewards=[("good", "1" * 64, 1.0)])
    found = forked(progress(), branch(), other, Progress())
    assert (found.barren, found.reward_low, found.patience) == (0, None, Patience())


def test_other_rows_leave_what_was_in_flight() -> None:
    found = forked(progress(), branch(), branch("job-2", training_file="file-9"), Progress())
    assert found.open == []
    assert found.frontier == {"job-2.rl1": 40}


def test_a_group_in_flight_takes_the_new_size() -> None:
    bigger = branch("job-2", stages=[{"sft": {}}, {"rl": {"group_size": 6}}])
    assert forked(progress(), branch(), bigger, Progress()).open[0].size == 6


@pytest.mark.parametrize(("evaluation_file", "phase"), [("", 1), ("file-2", 3)])
def test_the_position_is_that_of_the_stage_in_the_new_plan(
    evaluation_file: str, phase: int
) -> None:
    other = branch("job-2", evaluation_file=evaluation_file)
    assert forked(progress(), branch(), other, Progress()).phase == phase


def test_a_job_without_that_stage_is_refused() -> None:
    with pytest.raises(UserError, match="no stage like the one"):
        forked(progress(), branch(), branch("job-2", stages=[RL]), Progress())
