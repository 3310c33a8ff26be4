"""What a job's events say of how it went."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from burnish.sdk import Client, EvaluationCompleted, Job, JobEvent, JobUpdated, StepCompleted

KEPT: Mapping[str, str] = {
    "reward/mean": "reward",
    "reward/std": "spread",
    "reward/triton/correct": "correct",
    "reward/triton/ran": "ran",
    "completion_tokens/mean": "tokens",
    "entropy": "entropy",
    "kl": "kl",
    "groups/used": "used",
    "groups/filtered": "filtered",
    "truncated": "truncated",
    "curriculum/level": "level",
}
"""Metric of an RL step → its name in the ledger."""

WAITING = frozenset({"queued", "paused"})


@dataclass(frozen=True, slots=True)
class History:
    """See `ledger.Run`."""

    minutes: float = 0.0
    steps: tuple[Mapping[str, float], ...] = ()
    validation: Mapping[str, float] = field(default_factory=dict)


def history(client: Client, job: Job | None, headline: str) -> History:
    """How a finished job went; nothing for none."""
    if job is None:
        return History()
    return told([watched.event for watched in client.jobs.events(job.id)], headline)


def told(events: Iterable[JobEvent], headline: str) -> History:
    """Pure."""
    steps: list[Mapping[str, float]] = []
    validation: dict[str, float] = {}
    times: list[datetime] = []
    for event in events:
        waits = isinstance(event, JobUpdated) and event.state in WAITING
        if event.time is not None and not waits:
            times.append(event.time)
        match event:
            case StepCompleted(stage="rl"):
                steps.append(_kept(event))
            case EvaluationCompleted():
                validation[str(event.policy_version)] = round(
                    event.score_means.get(headline, 0.0), 4
                )
            case _:
                pass
    seconds = (max(times) - min(times)).total_seconds() if times else 0.0
    return History(round(seconds / 60, 2), tuple(steps), validation)


def _kept(event: StepCompleted) -> Mapping[str, float]:
    found = {KEPT[name]: round(value, 5) for name, value in event.metrics.items() if name in KEPT}
    return {"step": float(event.step), **found}
