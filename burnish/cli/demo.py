"""`burnish demo`."""

from typing import Annotated

import typer

from burnish.cli import output
from burnish.cli.connect import DEFAULT_DIR, Directory
from burnish.demo import run

app = typer.Typer()


@app.command()
def demo(
    *,
    task: Annotated[str, typer.Option(help="triton or extraction.")] = "triton",
    short: Annotated[bool, typer.Option("--short", help="Fewer steps and rows.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the platform until Ctrl-C.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Run a finished job anew.")] = False,
    directory: Directory = DEFAULT_DIR,
    json: output.Json = False,
) -> None:
    """Tune a small model on an example, and compare it with its base on held-out rows."""
    console = output.console(stderr=json)
    result = run.run(task, directory, console, short=short, keep=keep, again=again)
    if json:
        output.print_json(result)
