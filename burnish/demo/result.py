"""What a demo came to: kept beside the platform's data, so that a second run shows it at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from burnish.sdk import EvaluatedCompletion, EvaluationCompleted

STAGES = ("base", "sft", "final")
"""Evaluations that the table compares, in order; a job without SFT has no `sft`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one stage of the model answered to one held-out row.

    The figures are means over the row's completions that could be judged; None when none could.
    """

    text: str
    """The first completion."""
    reward: float | None
    correct: float | None
    """The headline's score."""


@dataclass(frozen=True, slots=True)
class HeldOutRow:
    subject: str
    answers: Mapping[str, Answer]
    """Stage → answer."""


@dataclass(frozen=True, slots=True)
class Result:
    """The held-out comparison of one finished job."""

    task: str
    digest: str
    job_id: str
    headline: str
    """The score that counts as correctness: a reward function's, or the part `<function>/<part>`."""
    heldout: Mapping[str, float]
    """Stage → mean reward."""
    correct: Mapping[str, float]
    """Stage → mean of the headline's score."""
    seconds: Mapping[str, float]
    rows: Sequence[HeldOutRow] = field(default_factory=list)

    def save(self, path: Path) -> None:
        scratch = path.with_suffix(".tmp")
        scratch.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n")
        scratch.replace(path)

    @classmethod
    def load(cls, path: Path, digest: str) -> Self | None:
        """The stored result of exactly this job, if there is one."""
        try:
            data: dict[str, Any] = json.loads(path.read_text())
            if data.get("digest") != digest:
                return None
            rows = [
                HeldOutRow(
                    row["subject"],
                    {stage: Answer(**answer) for stage, answer in row["answers"].items()},
                )
                for row in data.pop("rows")
            ]
            return cls(**data, rows=rows)
        except (OSError, ValueError, TypeError, KeyError):
            return None


def collect(
    evaluations: Mapping[str, EvaluationCompleted], headline: str, subjects: Mapping[str, str]
) -> tuple[dict[str, float], dict[str, float], list[HeldOutRow]]:
    """(mean reward, mean correctness, rows) of the stages that were evaluated."""
    stages = [stage for stage in STAGES if stage in evaluations]
    answers: dict[str, dict[str, Answer]] = {}
    for stage in stages:
        by_row: dict[str, list[EvaluatedCompletion]] = {}
        for completion in evaluations[stage].completions:
            by_row.setdefault(completion.row_id, []).append(completion)
        for row_id, completions in by_row.items():
            subject = subjects.get(row_id) or completions[0].prompt
            answers.setdefault(subject, {})[stage] = _answer(completions, headline)
    return (
        {stage: evaluations[stage].reward_mean for stage in stages},
        {stage: _headline_mean(evaluations[stage], headline) for stage in stages},
        [HeldOutRow(subject, by_stage) for subject, by_stage in answers.items()],
    )


def _headline_mean(evaluation: EvaluationCompleted, headline: str) -> float:
    return _mean(_scores(evaluation.completions, headline)) or 0.0


def _answer(completions: Sequence[EvaluatedCompletion], headline: str) -> Answer:
    rewards = [completion.reward for completion in completions]
    return Answer(
        completions[0].completion.strip(), _mean(rewards), _mean(_scores(completions, headline))
    )


def _scores(completions: Sequence[EvaluatedCompletion], headline: str) -> list[float | None]:
    """The headline's scores."""
    name, _, part = headline.partition("/")
    scores = [score for completion in completions for score in completion.scores]
    return [
        score.parts.get(part) if part else score.value for score in scores if score.name == name
    ]


def _mean(values: Sequence[float | None]) -> float | None:
    judged = [value for value in values if value is not None]
    return fmean(judged) if judged else None
