"""What is left to run, and how long that takes. Pure, but for the look at git."""

import hashlib
import json
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from burnish.spec import JobSpec
from examples.triton.showcase.rows import Rows
from examples.triton.showcase.study import Arm, Form, Study

ROOT = Path(__file__).parents[3]
CODE = ("burnish", "examples/triton", "proto", "pyproject.toml", "svc_learner", "svc_reward",
        "svc_rollout", "svc_serve")  # fmt: skip
"""What can change a result; `examples/triton` without the results themselves."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One run of a study.

    `key` names it for good: it is a hash of the job, of the run that it starts from, of all rows,
    of how it is examined, and of the code's revision.
    """

    arm: Arm
    seed: int
    spec: JobSpec | None
    """None: the base model is examined as it is. Its `start` is not filled in, and the file of its own
    rows is not written yet."""
    after: str
    """Key of the run whose adapter it starts from; empty: none."""
    key: str
    minutes: float
    """What it will take, before any was measured."""


def plan(study: Study, form: Form, rows: Rows, revision: str) -> tuple[Planned, ...]:
    """All runs, seed by seed: whenever it is interrupted, the arms have about as many seeds."""
    digest = _digest(
        [
            rows.train,
            rows.validation,
            rows.choice,
            rows.test,
            form.exam.model_dump(),
            form.examined,
            form.test_rows,
            revision,
        ]
    )
    found: dict[tuple[str, int], Planned] = {}
    for seed, arm in _pairs(study, form):
        spec = study.spec(arm, form, seed) if arm.stages else None
        after = found[arm.after, seed].key if arm.after else ""
        key = _digest([digest, spec.to_json() if spec else "", seed, after])[:20]
        found[arm.name, seed] = Planned(arm, seed, spec, after, key, form.share * arm.minutes)
    return tuple(found.values())


def ready(todo: Sequence[Planned], done: Collection[str]) -> Iterator[Planned]:
    """Those that can start."""
    return (run for run in todo if not run.after or run.after in done)


def without(todo: Sequence[Planned], failed: Planned) -> list[Planned]:
    """Those that do not start from a failed run, directly or not."""
    lost = {failed.key}
    for run in todo:
        if run.after in lost:
            lost.add(run.key)
    return [run for run in todo if run.key not in lost]


def minutes_left(todo: Sequence[Planned], spent: Mapping[str, float], wall: float) -> float:
    """How long the rest takes, in minutes.

    Args:
        todo: what is not finished.
        spent: estimated minutes of each run that this session has finished, by key.
        wall: minutes that this session took for them.
    """
    estimated = sum(spent.values())
    pace = wall / estimated if estimated else 1.0
    return pace * sum(run.minutes for run in todo)


def revision() -> str:
    """The newest commit that changed the code; "unknown" outside a checkout."""
    exclude = ":!examples/triton/showcase/results"
    asked = ["git", "log", "-1", "--format=%h", "--", *CODE, exclude]
    try:
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip() or "unknown"


def _pairs(study: Study, form: Form) -> Iterator[tuple[int, Arm]]:
    for seed in form.seeds:
        for arm in study.arms_of(form):
            if seed in form.seeds[: arm.seeds or None]:
                yield seed, arm


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
