"""What a run's history is made of."""

from datetime import UTC, datetime, timedelta

from burnish.sdk import EvaluationCompleted, JobUpdated, StepCompleted
from examples.triton.showcase.curves import told

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def updated(state: str, minutes: float) -> JobUpdated:
    return JobUpdated("job-1", state, "", "", 9, at(minutes))


def step(stage: str, number: int, minutes: float, **metrics: float) -> StepCompleted:
    return StepCompleted("job-1", stage, number, 9, metrics, at(minutes))


def evaluated(version: int, **score_means: float) -> EvaluationCompleted:
    return EvaluationCompleted(
        "job-1", "final", version, "", 0.5, score_means, (), at(9), {}, 1, best=False, gap=None
    )


def test_rl_steps_with_the_figures_that_are_kept() -> None:
    metrics = {"reward/triton/correct": 0.123456, "grad_norm": 3.0, "entropy": 0.5}
    past = told(
        [step("sft", 1, 1, loss=2.0), StepCompleted("job-1", "rl", 2, 9, metrics, at(2))],
        "triton/correct",
    )

    assert past.steps == ({"step": 2.0, "correct": 0.12346, "entropy": 0.5},)


def test_time_in_the_queue_is_not_the_run_s() -> None:
    events = [updated("queued", 0), updated("running", 10), step("rl", 1, 12)]

    assert told(events, "triton/correct").minutes == 2.0


def test_validation_by_version() -> None:
    event = evaluated(9, **{"triton/correct": 0.66667, "triton/ran": 1.0})

    assert told([event], "triton/correct").validation == {"9": 0.6667}


def test_nothing_happened() -> None:
    past = told([], "triton/correct")

    assert (past.minutes, past.steps, past.validation) == (0.0, (), {})
