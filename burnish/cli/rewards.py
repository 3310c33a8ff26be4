"""`burnish rewards`."""

import json as jsonlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish import datasets
from burnish.cli import definitions, output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.reward_lint import lint
from burnish.sdk import RewardDefinition, RewardVerdict
from burnish.sdk.resources import read_source

app = typer.Typer(help="Rewards: Python functions, graders, presets.", no_args_is_help=True)

_MAX_LOCAL_ROWS = 50


@app.command()
def create(
    path: Annotated[
        Path | None, typer.Argument(help="Python file that defines `reward`.", metavar="FILE")
    ] = None,
    *,
    name: Annotated[str, typer.Option(help="By default the file's or the preset's name.")] = "",
    preset: definitions.Preset = "",
    grader: definitions.Grader = None,
    option: definitions.Options = None,
    package: definitions.Packages = None,
    secret: definitions.Secrets = None,
    limit: definitions.Limits = None,
    json: output.Json = False,
) -> None:
    """Create a reward, or a new revision of one."""
    definition = definitions.define(
        path,
        preset=preset,
        grader=grader,
        options=option,
        packages=package,
        secrets=secret,
        limits=limit,
    )
    file = path or grader
    with connect() as client:
        reward = client.rewards.create(name or preset or _name_of(file or Path()), definition)
    if json:
        output.print_json(reward)
        return
    output.say(f"{reward.name} is at revision {reward.revision[:12]}.")
    for warning in reward.warnings:
        output.say(f"{file}:{warning.line}: {warning.rule}: {warning.message}")


@app.command("list")
def list_rewards(*, json: output.Json = False) -> None:
    """List the newest revision of each reward."""
    with connect() as client:
        rewards = client.rewards.list()
    if json:
        output.print_json(rewards)
        return
    rows = (
        (reward.name, reward.definition.kind, reward.revision[:12], reward.created_at)
        for reward in rewards
    )
    output.print_table(
        ("name", "kind", "revision", "created"), rows, "No rewards yet: `burnish rewards create`."
    )


@app.command()
def get(
    name: Annotated[str, typer.Argument(help="Name of a created reward.")],
    *,
    revision: Annotated[str, typer.Option(help="By default the newest.")] = "",
    json: output.Json = False,
) -> None:
    """Print a reward's source; of a grader or a preset, its definition as JSON."""
    with connect() as client:
        reward = client.rewards.get(name, revision)
    if json:
        output.print_json(reward)
    elif reward.definition.source is not None:
        typer.echo(reward.definition.source)
    else:
        output.print_json(reward.definition.model_dump(mode="json", exclude_defaults=True))


@app.command("lint")
def lint_file(
    path: Annotated[Path, typer.Argument(help="Python file that defines `reward`.")],
    *,
    package: definitions.Packages = None,
    json: output.Json = False,
) -> None:
    """Remark on a reward's source, without running it; exits 1 if there is a remark."""
    remarks = lint(read_source(path), package or ())
    if json:
        output.print_json([remark._asdict() for remark in remarks])
    else:
        for remark in remarks:
            output.say(f"{path}:{remark.line}: {remark.rule}: {remark.message}")
    if remarks:
        raise typer.Exit(1)


@app.command("test")
def try_reward(
    reward: Annotated[
        str, typer.Argument(help="A Python file, or the name of a created reward.")
    ] = "",
    *,
    preset: definitions.Preset = "",
    grader: definitions.Grader = None,
    option: definitions.Options = None,
    package: definitions.Packages = None,
    secret: definitions.Secrets = None,
    limit: definitions.Limits = None,
    rows: Annotated[
        str, typer.Option("--rows", help="What to judge: a local dataset, or a file id.")
    ] = "",
    row: Annotated[
        int | None, typer.Option(min=0, help="Only this row of --rows, with all completions.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="One row's prompt, instead of --rows.")] = "",
    example: Annotated[str, typer.Option(help="That row's other columns, as JSON.")] = "{}",
    completion: Annotated[
        list[str] | None,
        typer.Option(help="One for each row, or several for one; else the rows' own `completion`."),
    ] = None,
    completions_file: Annotated[
        Path | None, typer.Option(help="JSONL: a text, or an object with `completion`, a line.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Score sample completions in the sandbox, without a job.

    Several completions of one row are one group: a reward that compares sees all of them.
    """
    path = Path(reward)
    local = bool(reward) and (path.suffix == ".py" or path.is_file())
    definition: RewardDefinition | None = None
    if local or not reward:
        definition = definitions.define(
            path if local else None,
            preset=preset,
            grader=grader,
            options=option,
            packages=package,
            secrets=secret,
            limits=limit,
        )
    completions = (*(completion or ()), *_completions(completions_file))
    sample = _rows(rows, prompt, example, row, len(completions))
    with connect() as client:
        verdicts = client.rewards.test(
            reward=definition,
            name="" if definition else reward,
            rows=sample,
            file_id="" if sample else rows,
            completions=completions,
        )
    _show(verdicts, as_json=json)
    if any(verdict.status != "ok" for verdict in verdicts):
        raise typer.Exit(1)


def _completions(path: Path | None) -> Sequence[str]:
    if path is None:
        return ()
    found: list[str] = []
    for number, line in enumerate(read_source(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = jsonlib.loads(line)
        except ValueError:
            value = None
        text = value.get("completion") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise UserError(
                f"line {number} of {path} is neither a JSON text nor an object with `completion`",
                field="--completions-file",
            )
        found.append(text)
    return found


def _rows(
    file: str, prompt: str, example: str, row: int | None, completions: int
) -> Sequence[Mapping[str, object]]:
    """Local rows; none when `file` is the id of an uploaded one."""
    if prompt:
        return [{"prompt": prompt, **definitions.json_object(example, "--example")}]
    path = Path(file)
    if file and path.is_file():
        found = [one.example for one in datasets.parse(path.read_bytes(), path.name).rows]
        if row is None:
            return found[: completions or _MAX_LOCAL_ROWS]
        if row >= len(found):
            raise UserError(f"{file} has no row {row}", field="--row", hint=f"< {len(found)}")
        return [found[row]]
    if not file:
        raise UserError("there is nothing to judge", hint="give --rows, or --prompt")
    if not file.startswith("file-"):
        raise UserError(f"there is no file {file}", field="--rows")
    if row is not None:
        raise UserError("chooses from a local dataset only", field="--row")
    return []


def _show(verdicts: Sequence[RewardVerdict], *, as_json: bool) -> None:
    if as_json:
        output.print_json(verdicts)
        return
    rows = (
        (
            number,
            verdict.status,
            verdict.score,
            [f"{name}={output.cell(value)}" for name, value in verdict.parts.items()],
            verdict.flags,
            f"{verdict.seconds:.3f}",
            _said(verdict),
        )
        for number, verdict in enumerate(verdicts)
    )
    columns = ("row", "status", "score", "parts", "flags", "seconds", "message")
    output.print_table(columns, rows, "No rows.")
    if verdicts and verdicts[0].isolation not in {"docker", ""}:
        output.say(f"(isolation: {verdicts[0].isolation})")


def _said(verdict: RewardVerdict) -> str:
    return " | ".join(part.strip() for part in (verdict.message, verdict.stdout) if part.strip())


def _name_of(path: Path) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", path.stem.lower())
