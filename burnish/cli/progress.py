"""A job's progress: a live picture on a terminal, one line for each event elsewhere."""

import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from burnish.cli.sentences import sentence, shown
from burnish.errors import BurnishError
from burnish.sdk import (
    AlarmRaised,
    Client,
    CurriculumAdvanced,
    EvaluationCompleted,
    Job,
    JobEvent,
    JobUpdated,
    ServiceStatus,
    StepCompleted,
)

_BARS = "▁▂▃▄▅▆▇█"
_HISTORY = 48
_REFRESH_SECONDS = 0.5
_SERVICES_SECONDS = 2.0


@dataclass(slots=True)
class JobView:
    """What the events of one job add up to."""

    name: str
    job_id: str
    state: str = "queued"
    stage: str = ""
    message: str = ""
    bottleneck: str = ""
    step: int = 0
    total_steps: int = 0
    rewards: list[float] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    evaluations: dict[str, EvaluationCompleted] = field(default_factory=dict)
    level: CurriculumAdvanced | None = None
    alarms: dict[str, AlarmRaised] = field(default_factory=dict)
    """By kind, those that stand."""

    @classmethod
    def of(cls, job: Job) -> "JobView":
        return cls(job.spec.name, job.id, job.state, job.stage, total_steps=job.total_steps)

    def fold(self, event: JobEvent) -> None:
        """Take one event into account."""
        if isinstance(event, JobUpdated):
            self.state, self.stage, self.message = event.state, event.stage, event.message
            self.total_steps = event.total_steps or self.total_steps
        elif isinstance(event, StepCompleted):
            self.stage, self.step, self.total_steps = event.stage, event.step, event.total_steps
            self.metrics.update(event.metrics)
            self.bottleneck = event.bottleneck
            if "reward/mean" in event.metrics:
                self.rewards.append(event.metrics["reward/mean"])
            self._clear_alarms(event)
        elif isinstance(event, EvaluationCompleted):
            self.evaluations[event.label] = event
        elif isinstance(event, CurriculumAdvanced):
            self.level = event
        elif isinstance(event, AlarmRaised):
            self.alarms[event.kind] = event

    def _clear_alarms(self, step: StepCompleted) -> None:
        gone = {kind for kind in self.alarms if step.metrics.get(f"alarms/{kind}") == 0}
        self.alarms = {kind: one for kind, one in self.alarms.items() if kind not in gone}

    @property
    def parts(self) -> dict[str, float]:
        """Mean score of each reward function at the newest step, and its most telling parts."""
        return {
            name.removeprefix("reward/"): self.metrics[name]
            for name in shown(self.metrics)
            if name.startswith("reward/") and name not in {"reward/mean", "reward/std"}
        }


def follow(client: Client, job: Job, console: Console) -> JobView:
    """Show the job until it ends, and return what it came to."""
    view = JobView.of(job)
    if console.is_terminal:
        _follow_live(client, view, console)
    else:
        for watched in client.jobs.watch(job.id):
            view.fold(watched.event)
            console.print(Text(f"{_clock(watched.event)}  {sentence(watched.event)}"))
            console.file.flush()
    return view


def render(view: JobView, services: tuple[ServiceStatus, ...], elapsed: float) -> Group:
    """The live picture."""
    head = Table.grid(padding=(0, 2))
    total = max(view.total_steps, 1)
    head.add_row(
        Text(f"{view.name} {view.job_id}", style="bold"),
        Text(view.stage or view.state, style="cyan"),
        ProgressBar(total=total, completed=view.step, width=30),
        Text(f"{view.step}/{view.total_steps}"),
        Text(f"{int(elapsed) // 60}:{int(elapsed) % 60:02d}", style="dim"),
    )
    alarms = [Text(sentence(alarm), style="bold red") for alarm in view.alarms.values()]
    lines = [Text(line, style="dim") for line in (view.message, view.bottleneck) if line]
    return Group(head, _figures(view), *alarms, *lines, *_services(services))


def sparkline(values: list[float]) -> str:
    """The newest values as bars from the least to the largest of them."""
    values = values[-_HISTORY:]
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in values)


def _clock(event: JobEvent) -> str:
    return "" if event.time is None else event.time.astimezone().strftime("%H:%M:%S")


def _figures(view: JobView) -> Table:
    table = Table.grid(padding=(0, 2))
    if view.rewards:
        curve = Text(sparkline(view.rewards), style="green")
        table.add_row(Text("reward", style="bold"), Text(f"{view.rewards[-1]:.3f}"), curve)
    for name, value in sorted(view.parts.items()):
        table.add_row(Text(f"  {name}"), Text(f"{value:.3f}"))
    if view.level is not None:
        where = f"{view.level.number}/{view.level.levels} {view.level.level}"
        table.add_row(Text("level", style="bold"), Text(where))
    for name, label in (("loss", "loss"), ("tokens_per_second", "tokens/s")):
        if name in view.metrics:
            table.add_row(Text(label), Text(f"{view.metrics[name]:.4g}"))
    for label, evaluation in view.evaluations.items():
        table.add_row(Text(f"held-out {label}"), Text(f"{evaluation.reward_mean:.3f}"))
    return table


def _services(services: tuple[ServiceStatus, ...]) -> Iterator[Rule | Table]:
    if not services:
        return
    table = Table.grid(padding=(0, 2))
    for service in sorted(services, key=lambda item: item.service):
        table.add_row(Text(service.service, style="bold"), Text(service.activity))
    yield Rule(style="dim")
    yield table


def _follow_live(client: Client, view: JobView, console: Console) -> None:
    started = time.monotonic()
    services: tuple[ServiceStatus, ...] = ()
    asked = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for event in _events_or_pauses(client, view.job_id):
            if event is not None:
                view.fold(event)
            now = time.monotonic()
            if now - asked > _SERVICES_SECONDS:
                services, asked = _ask_services(client), now
            live.update(render(view, services, now - started), refresh=True)
    for label in view.evaluations:
        console.print(Text(sentence(view.evaluations[label])))


def _events_or_pauses(client: Client, job_id: str) -> Iterator[JobEvent | None]:
    """Events as they come, and None whenever there was none for a moment."""
    inbox: queue.Queue[JobEvent | BaseException | None] = queue.Queue()

    def read() -> None:
        try:
            for watched in client.jobs.watch(job_id):
                inbox.put(watched.event)
            inbox.put(None)
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            inbox.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            item = inbox.get(timeout=_REFRESH_SECONDS)
        except queue.Empty:
            yield None
            continue
        if item is None:
            return
        if isinstance(item, BaseException):
            raise item
        yield item


def _ask_services(client: Client) -> tuple[ServiceStatus, ...]:
    try:
        return client.services()
    except BurnishError:
        return ()
