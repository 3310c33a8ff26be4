"""The command tree."""

from typing import Annotated

import typer

from burnish import __version__
from burnish.cli import adapters, chat, demo, files, grade, jobs, output, platform, rewards, tasks
from burnish.cli.connect import TARGET

app = typer.Typer(
    help="Reinforcement fine-tuning on your own machines: data and a reward function in, a served "
    "LoRA adapter out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(platform.app)
app.add_typer(demo.app)
app.add_typer(grade.app)
app.add_typer(files.app, name="files")
app.add_typer(rewards.app, name="rewards")
app.add_typer(tasks.app, name="tasks")
app.add_typer(jobs.app, name="jobs")
app.add_typer(adapters.app, name="adapters")
app.add_typer(chat.models_app, name="models")
app.add_typer(chat.app)


@app.callback()
def root(
    *,
    address: Annotated[
        str,
        typer.Option(
            envvar="BURNISH_ADDRESS",
            help="Gateway's gRPC host:port; by default the platform that runs in ./.burnish.",
        ),
    ] = "",
    debug: Annotated[  # noqa: ARG001 (taken out by `main`, and shown in the help)
        bool, typer.Option("--debug", help="Show tracebacks.")
    ] = False,
) -> None:
    TARGET.address = address


@app.command()
def version(*, json: output.Json = False) -> None:
    """Print the version."""
    if json:
        output.print_json({"version": __version__})
    else:
        output.say(__version__)
