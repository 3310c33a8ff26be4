"""Which rewards a step's groups carry, and how the choice outlives the process."""

import pytest
from learner_kit import completion

from burnish.stage_spec import RlStage
from svc_learner.algorithms.advantages import judge, succeeded
from svc_learner.algorithms.metrics import RewardWindow
from svc_learner.state.progress import Progress
from svc_learner.state.reward_sets import Candidate, RewardChange, in_force
from svc_learner.types import Completion, Score

SETS = [Candidate(1, 1), Candidate(2, 5), Candidate(3, 9)]


@pytest.mark.parametrize(("step", "expected"), [(1, 1), (4, 1), (5, 2), (8, 2), (9, 3), (20, 3)])
def test_a_set_takes_effect_at_its_step_and_not_before(step: int, expected: int) -> None:
    assert in_force(SETS, 1, step) == expected


def test_a_set_without_a_step_takes_effect_at_the_next_boundary() -> None:
    assert in_force([*SETS, Candidate(4, 0)], 1, 2) == 4


def test_a_later_update_replaces_one_that_still_waits() -> None:
    waiting = [Candidate(1, 1), Candidate(2, 50), Candidate(3, 0)]
    assert in_force(waiting, 1, 10) == 3
    assert in_force(waiting, 3, 50) == 3


def test_without_any_update_the_first_set_stays() -> None:
    assert in_force([], 1, 100) == 1


def test_progress_keeps_the_set_and_what_is_still_to_be_announced() -> None:
    progress = Progress(reward_set=2, reward_changes=[RewardChange(4, 1, 2)])
    assert Progress.from_json(progress.to_json()) == progress


def test_a_job_updated_in_the_queue_says_so_at_its_first_step() -> None:
    assert Progress.beginning(1) == Progress()
    assert Progress.beginning(3).reward_changes == [RewardChange(1, 1, 3)]


def judged(index: int, value: float, **parts: float) -> Completion:
    plain = completion(index=index, reward=value)
    score = Score("triton", "r", "ok", value, parts=parts, flags=("no_launch",) if index else ())
    return Completion(**{**{f: getattr(plain, f) for f in plain.__slots__}, "scores": (score,)})


def test_a_part_can_be_the_required_success() -> None:
    group = [judged(0, 0.2, compiled=1, correct=0), judged(1, 0.0, compiled=0, correct=0)]
    assert succeeded(group[0], "triton/compiled")
    assert judge(group, RlStage(require_success="triton/compiled")).refusal is None
    assert judge(group, RlStage(require_success="triton/correct")).refusal == "no_success"
    assert judge(group, RlStage(require_success="triton/unknown")).refusal == "no_success"


def test_metrics_hold_means_of_parts_and_rates_of_flags() -> None:
    window = RewardWindow([judged(0, 0.2, compiled=1), judged(1, 0.0, compiled=0)])
    metrics = window.metrics()
    assert metrics["reward/triton"] == pytest.approx(0.1)
    assert metrics["reward/triton/compiled"] == 0.5
    assert metrics["flags/no_launch"] == 0.5
