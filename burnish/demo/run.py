"""Run one example from data to tuned model, and compare its answers on held-out rows."""

import contextlib
import json
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from burnish.cli import progress
from burnish.cli.hosting import running_or_own
from burnish.demo import table
from burnish.demo.result import Result, collect
from burnish.demo.tasks import TASKS, Prepared, prepare
from burnish.errors import BurnishError, NotFoundError, UserError
from burnish.sdk import Client, Job
from burnish.supervisor import RunDir


def run(
    task_name: str, directory: Path, console: Console, *, short: bool, keep: bool, again: bool
) -> Result:
    """Run the demo, or show what the same job came to before.

    Raises:
        BurnishError: The job did not succeed.
    """
    if task_name not in TASKS:
        raise UserError(f"there is no task {task_name!r}", hint=f"tasks: {', '.join(TASKS)}")
    run_dir = RunDir(directory)
    prepared = prepare(TASKS[task_name], run_dir.path / "demo", short=short)
    path = run_dir.path / f"demo-{task_name}.json"
    known = None if again else Result.load(path, prepared.digest)
    if known is not None:
        table.show(known, console)
        console.print(Text(f"This job ran before ({path}); --again runs it anew.", style="dim"))
        return known
    started = time.monotonic()
    with running_or_own(run_dir, console) as state:
        console.print(Text(f"Console: {state.http_url}", style="bold"))
        setup_seconds = time.monotonic() - started
        with Client(state.grpc_address) as client:
            job = _start_or_go_on(client, prepared, run_dir.path / "demo-job.json", console)
            console.print(
                Text(f"{job.id}: {prepared.task.title} ({state.http_url}/#/jobs/{job.id})")
            )
            result = _finish(client, job, prepared, console, setup_seconds)
        result.save(path)
        table.show(result, console)
        if keep:
            console.print(Text(f"Burnish goes on at {state.http_url}; Ctrl-C stops it."))
            _wait_for_interrupt()
    return result


def _start_or_go_on(client: Client, prepared: Prepared, marker: Path, console: Console) -> Job:
    """A new job, or the one that an earlier run was killed in; another task's is cancelled."""
    job, digest = _interrupted(client, marker)
    if job is not None and digest == prepared.digest:
        console.print(Text(f"Going on with {job.id}, which was interrupted at step {job.step}."))
        return job
    if job is not None:
        client.jobs.cancel(job.id)
    job = client.submit(prepared.spec, prepared.folder)
    marker.write_text(json.dumps({"job_id": job.id, "digest": prepared.digest}))
    return job


def _interrupted(client: Client, marker: Path) -> tuple[Job | None, str]:
    """The unfinished job of an earlier run, and its digest."""
    try:
        known = json.loads(marker.read_text())
        job = client.jobs.get(known["job_id"])
    except (OSError, ValueError, KeyError, NotFoundError):
        return None, ""
    return (None, "") if job.finished else (job, known.get("digest", ""))


def _finish(
    client: Client, job: Job, prepared: Prepared, console: Console, setup_seconds: float
) -> Result:
    started = time.monotonic()
    try:
        view = progress.follow(client, job, console)
    except BaseException:
        with contextlib.suppress(BurnishError):
            client.jobs.cancel(job.id)
        raise
    _require_success(client.jobs.wait(job.id))
    headline = prepared.task.headline
    heldout, correct, rows = collect(view.evaluations, headline, prepared.subjects)
    seconds = {"setup": setup_seconds, "job": time.monotonic() - started}
    return Result(
        task=prepared.task.name,
        digest=prepared.digest,
        job_id=job.id,
        headline=headline,
        heldout=heldout,
        correct=correct,
        seconds={name: round(value, 1) for name, value in seconds.items()},
        rows=rows,
    )


def _require_success(job: Job) -> None:
    if job.state != "succeeded":
        raise BurnishError(f"{job.id} ended as {job.state}: {job.message}")


def _wait_for_interrupt() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)
