"""A job's progress as people see it."""

import io
from dataclasses import replace

from rich.console import Console

from burnish.cli import progress
from burnish.cli.progress import JobView
from burnish.cli.sentences import sentence, shown
from burnish.sdk import (
    Adapter,
    AlarmRaised,
    CurriculumAdvanced,
    EvaluationCompleted,
    JobUpdated,
    PolicyPublished,
    ServiceStatus,
    StepCompleted,
)

STEP = StepCompleted(
    "job-1",
    "rl",
    3,
    10,
    {"reward/mean": 0.5, "reward/std": 0.1, "reward/correct": 0.4, "loss": 0.01, "kl": 9.0},
    None,
    "62 % waiting for scores",
)
EVALUATION = EvaluationCompleted(
    "job-1", "base", 0, "", 0.25, {"correct": 0.2}, (), None, {1: 0.3}, 1, best=False, gap=None
)

LEVEL = CurriculumAdvanced("job-1", 4, "hard", 2, 3, "it is time", None)
ALARM = AlarmRaised("job-1", 4, "gap", "it grew", 0.4, 0.3, paused=True, time=None)


def test_events_add_up() -> None:
    view = JobView("triton", "job-1")
    for event in (JobUpdated("job-1", "running", "rl", "sampling", 10, None), STEP, EVALUATION):
        view.fold(event)
    assert (view.state, view.stage, view.step, view.total_steps) == ("running", "rl", 3, 10)
    assert view.rewards == [0.5]
    assert view.parts == {"correct": 0.4}
    assert view.evaluations["base"] is EVALUATION


def test_an_event_is_a_line() -> None:
    assert sentence(STEP) == (
        "step 3/10 rl  loss 0.01  reward/correct 0.4  reward/mean 0.5  reward/std 0.1"
        "  (62 % waiting for scores)"
    )
    assert sentence(EVALUATION) == "held-out, base: reward 0.25 (correct 0.20, pass@1 0.30)"
    adapter = Adapter("job-1:v3", "base", "job-1", 3, 16)
    assert "job-1:v3" in sentence(PolicyPublished("job-1", adapter, None))
    update = JobUpdated("job-1", "failed", "", "the reward raised", 0, None)
    assert sentence(update) == "failed: the reward raised"
    assert sentence(LEVEL) == "level 2/3 `hard` opens: it is time"
    assert sentence(ALARM) == "alarm, gap: it grew (the job pauses)"


def test_an_alarm_stands_until_a_step_says_that_it_is_gone() -> None:
    view = JobView("triton", "job-1")
    for event in (LEVEL, ALARM):
        view.fold(event)
    out = io.StringIO()
    Console(file=out, width=100).print(progress.render(view, (), 65))
    assert "alarm, gap: it grew" in out.getvalue()
    assert "2/3 hard" in out.getvalue()
    view.fold(replace(STEP, metrics={"alarms/gap": 1.0}))
    assert view.alarms
    view.fold(replace(STEP, metrics={"alarms/gap": 0.0}))
    assert not view.alarms


def test_of_a_rewards_parts_only_the_stages_are_shown_or_a_few() -> None:
    kernels = ["format", "compiled", "ran", "correct", "bytes_moved", "launches", "proxy_cost"]
    metrics = dict.fromkeys([f"reward/triton/{part}" for part in kernels], 0.5)
    metrics |= dict.fromkeys([f"reward/mine/{letter}" for letter in "fedcba"], 0.5)
    step = StepCompleted("job-1", "rl", 1, 9, metrics | {"reward/triton": 1.0, "kl": 1.0}, None)
    expected = [*(f"mine/{letter}" for letter in "abcd"), "triton"]
    expected += [f"triton/{part}" for part in ("compiled", "correct", "format", "ran")]
    assert shown(step.metrics) == [f"reward/{name}" for name in expected]
    view = JobView("triton", "job-1")
    view.fold(step)
    assert list(view.parts) == expected
    assert "bytes_moved" not in sentence(step)


def test_the_live_picture_shows_reward_parts_and_services() -> None:
    view = JobView("triton", "job-1")
    view.fold(STEP)
    view.fold(EVALUATION)
    learner = ServiceStatus("learner", "a", "1", "training step 4", (), {}, {}, None)
    out = io.StringIO()
    Console(file=out, width=100).print(progress.render(view, (learner,), 65))
    text = out.getvalue()
    for part in (
        "triton",
        "3/10",
        "1:05",
        "correct",
        "0.400",
        "held-out base",
        "training step 4",
        "62 %",
    ):
        assert part in text


def test_a_sparkline_spans_its_values() -> None:
    assert progress.sparkline([0.0, 0.5, 1.0]) == "▁▅█"
    assert progress.sparkline([]) == ""
    assert len(progress.sparkline([1.0] * 100)) == 48
