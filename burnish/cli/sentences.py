"""Events of a job as lines of text."""

from collections.abc import Iterable

from burnish.reward_spec import TRITON_PARTS
from burnish.sdk import (
    AlarmRaised,
    CurriculumAdvanced,
    EvaluationCompleted,
    JobEvent,
    JobUpdated,
    PolicyPublished,
    RewardsUpdated,
    StepCompleted,
)

_PARTS = 4
"""Parts of one reward that are shown, unless they are stages: all of them are in the metrics."""


def sentence(event: JobEvent) -> str:
    """One event as a line of text."""
    match event:
        case JobUpdated():
            text = _update(event)
        case StepCompleted():
            text = _step(event)
        case EvaluationCompleted():
            text = _evaluation(event)
        case RewardsUpdated():
            text = _rewards(event)
        case CurriculumAdvanced():
            text = f"level {event.number}/{event.levels} `{event.level}` opens: {event.message}"
        case AlarmRaised():
            pauses = " (the job pauses)" if event.paused else ""
            text = f"alarm, {event.kind}: {event.message}{pauses}"
        case PolicyPublished():
            text = f"{event.adapter.name} is published and can be used"
    return text


def shown(metrics: Iterable[str]) -> list[str]:
    """The metrics that fit a line: of a reward's parts, its stages, or else a few."""
    names: list[str] = []
    parts: dict[str, list[str]] = {}
    for name in sorted(metrics):
        if name.startswith("reward/"):
            _, reward, *part = name.split("/", 2)
            (parts.setdefault(reward, []) if part else names).append(name)
        elif name in {"loss", "tokens_per_second", "curriculum/level"}:
            names.append(name)
    for found in parts.values():
        stages = [name for name in found if name.rpartition("/")[2] in TRITON_PARTS]
        names += stages or found[:_PARTS]
    return sorted(names)


def _update(event: JobUpdated) -> str:
    stage = f" ({event.stage})" if event.stage else ""
    return f"{event.state}{stage}: {event.message}" if event.message else event.state + stage


def _step(event: StepCompleted) -> str:
    figures = "  ".join(f"{name} {event.metrics[name]:.4g}" for name in shown(event.metrics))
    hint = f"  ({event.bottleneck})" if event.bottleneck else ""
    return f"step {event.step}/{event.total_steps} {event.stage}  {figures}{hint}"


def _evaluation(event: EvaluationCompleted) -> str:
    scores = [
        name.removeprefix("reward/") for name in shown(f"reward/{s}" for s in event.score_means)
    ]
    figures = [f"{name} {event.score_means[name]:.2f}" for name in scores]
    figures += [f"pass@{k} {rate:.2f}" for k, rate in sorted(event.pass_at.items())]
    if event.gap is not None:
        figures.append(f"gap {event.gap:+.2f}")
    best = ", the best so far" if event.best else ""
    return f"held-out, {event.label}: reward {event.reward_mean:.2f} ({', '.join(figures)}){best}"


def _rewards(event: RewardsUpdated) -> str:
    names = ", ".join(f"{ref.name} {ref.weight:g}" for ref in event.after.rewards)
    why = f": {event.reason}" if event.reason else ""
    return f"reward set {event.after.number} ({names}) from step {event.step} on{why}"
