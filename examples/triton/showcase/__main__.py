"""`python -m examples.triton.showcase run body --short`: run a study, and report it."""

import sys
from pathlib import Path
from typing import Annotated, TypeAlias

import typer
from rich.console import Console

from burnish import cli
from burnish.cli.hosting import running_or_own
from burnish.sdk import Client
from burnish.supervisor import RunDir
from examples.triton.showcase import page, plan
from examples.triton.showcase.exam import Examiner
from examples.triton.showcase.ledger import Ledger
from examples.triton.showcase.rows import rows_of
from examples.triton.showcase.runner import Runner
from examples.triton.showcase.study import Study
from examples.triton.showcase.summary import summarize

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parents[3] / "docs"

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

Task: TypeAlias = Annotated[str, typer.Argument(help="body or kernel.")]
FormName: TypeAlias = Annotated[str, typer.Option("--form", help="short, explore, full or gpu.")]


@app.command()
def run(
    task: Task,
    *,
    form: FormName = "full",
    short: Annotated[bool, typer.Option("--short", help="The same as --form short.")] = False,
    arms: Annotated[str, typer.Option(help="Only these, with commas between.")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="Unfinished jobs at a time.")] = 3,
    revision: Annotated[
        str, typer.Option(help="Of the code; go on with another one's results by naming it.")
    ] = "",
    directory: Annotated[Path, typer.Option("--dir", help="Folder of the platform.")] = Path(
        ".burnish"
    ),
) -> None:
    """Run what is left of a study. Repeat the command after any interruption."""
    console = Console()
    study = Study.load(task)
    name = "short" if short else form
    size = study.form(name, list(filter(None, arms.split(","))))
    data = rows_of(task, size.size)
    run_dir = RunDir(directory)
    with running_or_own(run_dir, console) as state, Client(state.grpc_address) as client:
        console.print(f"Console: {state.http_url}")
        Runner(
            study,
            size,
            data,
            revision=revision or plan.revision(),
            client=client,
            examiner=Examiner(client, state.http_url, study.reward(size), study.headline),
            ledger=Ledger(RESULTS / f"{task}-{name}.jsonl"),
            work=run_dir.path / "showcase" / task,
            console=console,
            at_once=jobs,
        ).run()


@app.command()
def report(task: Task, *, form: FormName = "full") -> None:
    """Write what was measured into docs/; other forms than the full one are only printed."""
    study = Study.load(task)
    study.form(form)  # a mistyped one is an error, not a study without results
    lines = summarize(study, Ledger(RESULTS / f"{task}-{form}.jsonl").runs())
    if form != "full":
        typer.echo(page.section(lines, ()))
        return
    from examples.triton.showcase import plots  # noqa: PLC0415  matplotlib is optional

    images = plots.write(study, lines, DOCS / "images")
    path = DOCS / "showcase.md"
    text = page.section(lines, [f"![{title}](images/{file})" for title, file in images.items()])
    path.write_text(page.replace(path.read_text(encoding="utf-8"), task, text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(cli.run(sys.argv[1:], app, "showcase"))
