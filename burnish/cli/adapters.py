"""`burnish adapters`."""

from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import output
from burnish.cli.connect import connect

app = typer.Typer(help="Trained adapters.", no_args_is_help=True)


@app.command("list")
def list_adapters(
    *,
    job: Annotated[str, typer.Option(help="Only those of this job.")] = "",
    json: output.Json = False,
) -> None:
    """List the adapters."""
    with connect() as client:
        adapters = client.adapters.list(job)
    if json:
        output.print_json(adapters)
        return
    rows = (
        (adapter.name, adapter.base_model, adapter.policy_version, adapter.rank)
        for adapter in adapters
    )
    output.print_table(("name", "base model", "version", "rank"), rows, "No adapters yet.")


@app.command()
def pull(
    name: Annotated[str, typer.Argument(help="<job>:v<k>, <job>@latest or <job>@best.")],
    folder: Annotated[
        Path | None, typer.Argument(help="Folder to make; by default the adapter's name.")
    ] = None,
    *,
    json: output.Json = False,
) -> None:
    """Take an adapter home as a plain PEFT folder."""
    with connect() as client:
        folder = client.adapters.pull(
            name, folder or Path(name.replace(":", "-").replace("@", "-"))
        )
    if json:
        output.print_json({"name": name, "folder": folder})
    else:
        output.say(f"{name} is in {folder}.")
