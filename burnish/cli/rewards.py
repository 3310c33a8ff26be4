"""`burnish rewards`."""

import json as jsonlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from burnish import datasets
from burnish.cli import output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.sdk import RewardVerdict
from burnish.sdk.resources import read_source

app = typer.Typer(help="Reward functions.", no_args_is_help=True)

_MAX_LOCAL_ROWS = 50


@app.command()
def create(
    path: Annotated[Path, typer.Argument(help="Python file that defines `reward`.")],
    *,
    name: Annotated[str, typer.Option(help="By default the file's name.")] = "",
    json: output.Json = False,
) -> None:
    """Create a reward function, or a new revision of one."""
    with connect() as client:
        reward = client.rewards.create(name or _name_of(path), read_source(path))
    if json:
        output.print_json(reward)
    else:
        output.say(f"{reward.name} is at revision {reward.revision[:12]}.")


@app.command("list")
def list_rewards(*, json: output.Json = False) -> None:
    """List the newest revision of each reward function."""
    with connect() as client:
        rewards = client.rewards.list()
    if json:
        output.print_json(rewards)
        return
    rows = ((reward.name, reward.revision[:12], reward.created_at) for reward in rewards)
    output.print_table(
        ("name", "revision", "created"), rows, "No rewards yet: `burnish rewards create`."
    )


@app.command("test")
def try_reward(
    reward: Annotated[str, typer.Argument(help="A Python file, or the name of a created reward.")],
    *,
    rows: Annotated[
        str, typer.Option("--rows", help="What to judge: a local dataset, or a file id.")
    ] = "",
    prompt: Annotated[str, typer.Option(help="One row's prompt, instead of --rows.")] = "",
    example: Annotated[str, typer.Option(help="That row's other columns, as JSON.")] = "{}",
    completion: Annotated[
        list[str] | None,
        typer.Option(help="One for each row; by default the rows' own `completion`."),
    ] = None,
    json: output.Json = False,
) -> None:
    """Score sample completions in the sandbox, without a job."""
    path = Path(reward)
    local = path.suffix == ".py" or path.is_file()
    sample = _rows(rows, prompt, example)
    with connect() as client:
        verdicts = client.rewards.test(
            source=read_source(path) if local else "",
            name="" if local else reward,
            rows=sample,
            file_id="" if sample else rows,
            completions=tuple(completion or ()),
        )
    _show(verdicts, as_json=json)
    if any(verdict.status != "ok" for verdict in verdicts):
        raise typer.Exit(1)


def _rows(file: str, prompt: str, example: str) -> Sequence[Mapping[str, object]]:
    """Local rows; none when `file` is the id of an uploaded one."""
    if prompt:
        return [{"prompt": prompt, **_columns(example)}]
    path = Path(file)
    if file and path.is_file():
        return [row.example for row in datasets.parse(path.read_bytes(), path.name).rows][
            :_MAX_LOCAL_ROWS
        ]
    if not file:
        raise UserError("there is nothing to judge", hint="give --rows, or --prompt")
    if not file.startswith("file-"):
        raise UserError(f"there is no file {file}", field="--rows")
    return []


def _columns(text: str) -> Mapping[str, object]:
    try:
        columns = jsonlib.loads(text)
    except ValueError:
        columns = None
    if not isinstance(columns, dict):
        raise UserError("is not a JSON object", field="--example")
    return columns


def _show(verdicts: Sequence[RewardVerdict], *, as_json: bool) -> None:
    if as_json:
        output.print_json(verdicts)
        return
    rows = (
        (number, verdict.status, verdict.score, f"{verdict.seconds:.3f}", _said(verdict))
        for number, verdict in enumerate(verdicts)
    )
    output.print_table(("row", "status", "score", "seconds", "message"), rows, "No rows.")
    if verdicts and verdicts[0].isolation != "docker":
        output.say(f"(isolation: {verdicts[0].isolation})")


def _said(verdict: RewardVerdict) -> str:
    return " | ".join(part.strip() for part in (verdict.message, verdict.stdout) if part.strip())


def _name_of(path: Path) -> str:
    return re.sub(r"[^a-z0-9_-]", "_", path.stem.lower())
