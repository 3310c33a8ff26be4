"""`burnish jobs`."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import job_lifecycle, job_rewards, output, progress, sentences
from burnish.cli.connect import connect
from burnish.errors import BurnishError
from burnish.sdk import Client, Completion, Job, Score, StepCompleted, WatchedEvent
from burnish.sdk.types import PAUSED
from burnish.spec import JobSpec

app = typer.Typer(help="Fine-tuning jobs.", no_args_is_help=True)

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]

_METRICS = ("reward/mean", "reward/std", "loss", "tokens_per_second")
_ORIGIN = ("completion", "reward", "score", "revision", "image", "isolation", "seed", "cpu ms")


@app.command()
def create(
    *,
    file: Annotated[Path, typer.Option("--file", "-f", help="Job in YAML or JSON.")],
    watch: Annotated[bool, typer.Option("--watch", help="Follow it to its end.")] = False,
    json: output.Json = False,
) -> None:
    """Start a job; datasets and rewards that it names by path are uploaded first."""
    spec = JobSpec.from_file(file)
    with connect() as client:
        job = client.submit(spec, file.parent)
        if watch:
            _follow(client, job.id, as_json=json)
        elif json:
            output.print_json(job)
        else:
            output.say(f"{job.id} is {job.state}; follow it with `burnish jobs watch {job.id}`.")


@app.command("list")
def list_jobs(*, json: output.Json = False) -> None:
    """List the jobs, newest first."""
    with connect() as client:
        jobs = client.jobs.list()
    if json:
        output.print_json(jobs)
        return
    rows = (
        (job.id, job.spec.name, job.state, f"{job.step}/{job.total_steps}", job.created_at)
        for job in jobs
    )
    output.print_table(
        ("id", "name", "state", "step", "created"), rows, "No jobs yet: `burnish jobs create`."
    )


@app.command()
def get(job_id: JobId, *, json: output.Json = False) -> None:
    """Show one job."""
    with connect() as client:
        job = client.jobs.get(job_id)
    _show(job, as_json=json)


@app.command()
def watch(job_id: JobId, *, json: output.Json = False) -> None:
    """Follow a job until it ends or is paused; exits 1 when it does not succeed."""
    with connect() as client:
        _follow(client, job_id, as_json=json)


@app.command()
def events(job_id: JobId, *, json: output.Json = False) -> None:
    """Print what has happened so far."""
    with connect() as client:
        found = client.jobs.events(job_id)
    if json:
        output.print_json([_named(event) for event in found])
        return
    for watched in found:
        output.say(f"{watched.sequence:>8}  {sentences.sentence(watched.event)}")


@app.command()
def metrics(job_id: JobId, *, json: output.Json = False) -> None:
    """Print the metrics of each step."""
    with connect() as client:
        client.jobs.get(job_id)
        found = [watched.event for watched in client.jobs.events(job_id)]
    steps = [event for event in found if isinstance(event, StepCompleted)]
    if json:
        output.print_json(steps)
        return
    parts = sorted(
        {name for step in steps for name in step.metrics if name.startswith("reward/")}
        - set(_METRICS)
    )
    names = (*_METRICS, *parts)
    rows = ((step.step, step.stage, *(step.metrics.get(name) for name in names)) for step in steps)
    output.print_table(("step", "stage", *names), rows, "No step is done yet.")


@app.command()
def completions(
    job_id: JobId,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, newest first.")] = 20,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Show what each score came from instead.")
    ] = False,
    json: output.Json = False,
) -> None:
    """Print sampled completions with their scores, newest first."""
    with connect() as client:
        found = client.jobs.completions(job_id, limit=limit)
    if json:
        output.print_json(found)
        return
    if provenance:
        output.print_table(_ORIGIN, _origins(found), "No completions yet.")
        return
    rows = (
        (item.step, item.row_id, item.purpose, item.reward, _scores(item), item.completion)
        for item in found
    )
    output.print_table(
        ("step", "row", "purpose", "reward", "scores", "completion"), rows, "No completions yet."
    )


@app.command()
def cancel(job_id: JobId, *, json: output.Json = False) -> None:
    """Stop a job; what it has published stays."""
    with connect() as client:
        job = client.jobs.cancel(job_id)
    if json:
        output.print_json(job)
    else:
        output.say(f"{job.id} is being cancelled.")


app.command("pause")(job_lifecycle.pause)
app.command("resume")(job_lifecycle.resume)
app.command("fork")(job_lifecycle.fork)
app.command("checkpoints")(job_lifecycle.checkpoints)
app.command("update-rewards")(job_rewards.update)
app.command("rescore")(job_rewards.rescore)


def _follow(client: Client, job_id: str, *, as_json: bool) -> None:
    job = client.jobs.get(job_id)
    if as_json:
        for watched in client.jobs.watch(job_id):
            output.print_json_line(_named(watched))
    else:
        progress.follow(client, job, output.console())
    job = client.jobs.wait(job_id)
    if job.state == PAUSED:
        raise BurnishError(f"{job.id} is paused: {job.message}")
    if job.state != "succeeded":
        raise BurnishError(f"{job.id} ended as {job.state}: {job.message}")


def _named(watched: WatchedEvent) -> dict[str, object]:
    return {
        "sequence": watched.sequence,
        "type": type(watched.event).__name__,
        **output.plain(watched.event),
    }


def _show(job: Job, *, as_json: bool) -> None:
    if as_json:
        output.print_json(job)
        return
    output.print_fields(
        {
            "id": job.id,
            "name": job.spec.name,
            "state": job.state,
            "stage": job.stage,
            "step": f"{job.step}/{job.total_steps}",
            "message": job.message,
            "bottleneck": job.bottleneck,
            "rewards": f"set {job.reward_set} of {len(job.reward_sets)}",
            "adapter": None if job.adapter is None else job.adapter.name,
            "best": None if job.best_adapter is None else job.best_adapter.name,
            "used": _used(job),
            "created": job.created_at,
            "finished": job.finished_at,
            **dict(sorted(job.metrics.items())),
        }
    )


def _used(job: Job) -> str | None:
    if job.usage is None:
        return None
    return f"{job.usage.tokens:,} tokens, {job.usage.seconds:,.0f} s, {job.usage.steps:,} steps"


def _scores(completion: Completion) -> Sequence[str]:
    return [_score(score) for score in completion.scores]


def _origins(found: Sequence[Completion]) -> Iterator[Sequence[object]]:
    """A row for each score of each completion."""
    for item in found:
        for score in item.scores:
            yield (
                item.completion_id,
                score.name,
                score.status if score.value is None else score.value,
                score.revision,
                score.image or "none",
                score.isolation,
                score.seed,
                score.cpu_ms,
            )


def _score(score: Score) -> str:
    """Value or status, then parts, hacks, and what it came from."""
    value = score.status if score.value is None else output.cell(score.value)
    parts = ", ".join(f"{name} {part:g}" for name, part in sorted(score.parts.items()))
    flags = ", ".join(score.flags)
    origin = f"{score.revision[:8]} {score.isolation} {score.cpu_ms:.0f} ms"
    return (
        f"{score.name}={value}"
        + (f" ({parts})" if parts else "")
        + (f" !{flags}" if flags else "")
        + f" [{origin}]"
    )
