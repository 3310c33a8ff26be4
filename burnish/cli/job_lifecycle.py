"""`burnish jobs pause`, `resume`, `checkpoints` and `fork`."""

import json as json_module
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from burnish.cli import output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.sdk import Client, Job
from burnish.sdk.lifecycle import with_limits
from burnish.spec import JobSpec
from burnish.stage_spec import CLIP_DEFAULTS

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of the job.")]
_STEP = re.compile(r"[^.\[\]]+")


def pause(job_id: JobId, *, json: output.Json = False) -> None:
    """Stop a job at its next step boundary, with a checkpoint."""
    with connect() as client:
        job = client.jobs.pause(job_id)
    _say(job, f"{job.id} pauses; go on with `burnish jobs resume {job.id}`.", as_json=json)


def resume(
    job_id: JobId,
    *,
    tokens: Annotated[int | None, typer.Option(min=0, help="New budget; 0: no limit.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="New budget; 0: no limit.")] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="New budget; 0: no limit.")] = None,
    json: output.Json = False,
) -> None:
    """Go on with a paused job; a budget counts from the job's beginning."""
    limits = {"tokens": tokens, "seconds": seconds, "steps": steps}
    with connect() as client:
        budget = None
        if any(limit is not None for limit in limits.values()):
            budget = with_limits(client.jobs.get(job_id).spec.budget, limits)
        job = client.jobs.resume(job_id, budget=budget)
    _say(job, f"{job.id} goes on; follow it with `burnish jobs watch {job.id}`.", as_json=json)


def checkpoints(job_id: JobId, *, json: output.Json = False) -> None:
    """List the checkpoints that a job keeps, newest first."""
    with connect() as client:
        found = client.jobs.checkpoints(job_id)
    if json:
        output.print_json(found)
        return
    rows = (
        (
            each.step,
            each.stage,
            ", ".join(each.reasons),
            each.measure,
            None if each.adapter is None else each.adapter.name,
            each.time,
        )
        for each in found
    )
    output.print_table(
        ("step", "stage", "kept as", "held-out", "adapter", "time"), rows, "No checkpoint yet."
    )


def fork(
    job_id: JobId,
    *,
    step: Annotated[int, typer.Option(min=0, help="Of a kept checkpoint; 0: the newest.")] = 0,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE of the job, such as `stages.1.rl.steps=40`."),
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="The new job in YAML or JSON.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Start a job at a checkpoint of another one, with what you change."""
    if file is not None and changes:
        raise UserError("give either --set or --file")
    with connect() as client:
        spec: JobSpec | None = None
        if file is not None:
            spec = client.upload_parts(JobSpec.from_file(file), file.parent)
        elif changes:
            spec = client.upload_parts(changed(_in_force(client, job_id), changes), Path())
        job = client.jobs.fork(job_id, step=step, spec=spec)
    _say(
        job,
        f"{job.id} begins where {job_id} was; follow it with `burnish jobs watch {job.id}`.",
        as_json=json,
    )


def changed(spec: JobSpec, changes: Sequence[str]) -> JobSpec:
    """The spec with `KEY=VALUE` changes: keys are paths, values are read as YAML.

    Raises:
        UserError: a path leads nowhere, or the job is not right any more.
    """
    data = _editable(spec)
    for change in changes:
        key, equals, value = change.partition("=")
        if not (key and equals):
            raise UserError(f"{change!r} is not KEY=VALUE", field="--set")
        _put(data, key, _value(value))
    return JobSpec.parse(data)


def _editable(spec: JobSpec) -> dict[str, Any]:
    """As people write it. Clip bounds that were a loss's defaults follow another loss."""
    data: dict[str, Any] = json_module.loads(spec.to_json())
    data.pop("start", None)
    for stage in data["stages"]:
        rl = stage.get("rl")
        if rl is not None and (rl["clip_low"], rl["clip_high"]) == CLIP_DEFAULTS[rl["loss"]]:
            del rl["clip_low"], rl["clip_high"]
    return data


def _put(data: object, key: str, value: object) -> None:
    *path, last = _STEP.findall(key)
    place = data
    for step in path:
        place = _at(place, step, key)
    if isinstance(place, list):
        place[_index(place, last, key)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise UserError(f"{key!r} goes into a value", field="--set")


def _at(place: object, step: str, key: str) -> object:
    if isinstance(place, list):
        return place[_index(place, step, key)]
    if isinstance(place, dict):
        return place.setdefault(step, {})
    raise UserError(f"{key!r} goes into a value", field="--set")


def _index(place: list[Any], step: str, key: str) -> int:
    if not step.isdecimal() or int(step) >= len(place):
        raise UserError(f"{key!r}: {step!r} is not one of 0 to {len(place) - 1}", field="--set")
    return int(step)


def _value(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _in_force(client: Client, job_id: str) -> JobSpec:
    """The job's spec with the rewards that its newest groups carry."""
    job = client.jobs.get(job_id)
    for rewards in job.reward_sets:
        if rewards.number == job.reward_set:
            data = _editable(job.spec)
            data["rewards"] = [
                {"name": each.name, "revision": each.revision, "weight": each.weight}
                for each in rewards.rewards
            ]
            return JobSpec.parse(data)
    return job.spec


def _say(job: Job, sentence: str, *, as_json: bool) -> None:
    if as_json:
        output.print_json(job)
    else:
        output.say(sentence)
