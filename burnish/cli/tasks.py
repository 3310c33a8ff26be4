"""`burnish tasks`: kernel tasks to train on, and figures over judged kernels."""

import json as jsonlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from burnish.cli import output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.tasks import generator, kernelbench, metrics, report
from burnish.tasks.task import KernelTask

app = typer.Typer(help="Kernel tasks: import, generate, report.", no_args_is_help=True)

NOT_MEASURED = "not measured"
_OUT = Path("tasks.jsonl")

Out = Annotated[Path, typer.Option("--out", help="JSONL to write.")]
Upload = Annotated[bool, typer.Option("--upload", help="Also upload it to the platform.")]


class Suite(StrEnum):
    KERNELBENCH = "kernelbench"


@app.command("import")
def import_tasks(
    suite: Suite,  # noqa: ARG001 - the only one
    path: Annotated[Path, typer.Argument(help="Folder with level1/*.py, .parquet, or .jsonl.")],
    *,
    level: Annotated[
        list[int] | None, typer.Option("--level", help="Only this; repeatable.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Keep problems that a constant answers.")
    ] = False,
    out: Out = _OUT,
    upload: Upload = False,
    json: output.Json = False,
) -> None:
    """Turn a benchmark's problems into rows for `reward: triton`."""
    found = kernelbench.read(path, levels=level or (), everything=everything)
    file = _save(found.tasks, out, upload=upload)
    if json:
        output.print_json({"tasks": len(found.tasks), "skipped": found.skipped, "out": out} | file)
        return
    for skipped in found.skipped:
        output.say(f"{skipped.id} ({skipped.name}) is left out: {skipped.reason}.")
    _say_saved(found.tasks, out, file)


@app.command()
def generate(
    *,
    level: Annotated[str, typer.Option("--level", help="One, or a range such as 1..5.")] = "1..5",
    count: Annotated[int, typer.Option(min=1, max=100_000, help="Tasks of each level.")] = 20,
    seed: Annotated[int, typer.Option(help="Equal seeds, equal tasks.")] = 0,
    out: Out = _OUT,
    upload: Upload = False,
    json: output.Json = False,
) -> None:
    """Write small tasks, graded by difficulty, whose kernels an interpreter can run."""
    tasks = tuple(generator.generate(levels=_levels(level), count=count, seed=seed))
    file = _save(tasks, out, upload=upload)
    if json:
        output.print_json({"tasks": len(tasks), "out": out} | file)
    else:
        _say_saved(tasks, out, file)


@app.command("report")
def report_results(
    results: Annotated[Path, typer.Argument(help="Results of `burnish grade --reward triton`.")],
    *,
    cases: Annotated[
        Path | None, typer.Option("--cases", help="What was judged: names tasks and levels.")
    ] = None,
    p: Annotated[
        list[float] | None, typer.Option("--p", min=0, help="fast_p for this speedup; repeatable.")
    ] = None,
    k: Annotated[
        list[int] | None, typer.Option("--k", min=1, help="pass@k for this k; repeatable.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Say how many kernels are right, how fast they are, and which are hacks."""
    given = () if cases is None else _lines(cases, "--cases")
    name = "" if cases is None else cases.name
    graded = report.parse(_lines(results, "results"), given, where=results.name, cases_name=name)
    if not graded.samples:
        raise UserError(f"{results} holds no judged kernel", field="results")
    groups: dict[str, Any] = {"all": graded.samples}
    levels = metrics.by_level(graded.samples)
    if set(levels) != {0}:
        groups |= {f"level {number}" if number else "no level": s for number, s in levels.items()}
    ps, ks = p or (0.0, 1.0, 2.0), k or (1, 5, 10)
    found = {title: metrics.figures(group, ps=ps, ks=ks) for title, group in groups.items()}
    if json:
        output.print_json({**found, "unjudged": graded.unjudged})
    else:
        _show(found, graded.unjudged)


def _levels(text: str) -> range:
    first, dots, last = text.partition("..")
    try:
        return range(int(first), int(last if dots else first) + 1)
    except ValueError:
        raise UserError(f"{text!r} is no level", field="--level", hint="3, or 1..5") from None


def _save(tasks: Iterable[KernelTask], out: Path, *, upload: bool) -> dict[str, str]:
    lines = (jsonlib.dumps(task.row(), ensure_ascii=False) for task in tasks)
    text = "".join(f"{line}\n" for line in lines)
    if not text:
        raise UserError("there is no task of that level", field="--level")
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}", field="--out") from None
    if not upload:
        return {}
    with connect() as client:
        return {"file": client.files.upload(out).id}


def _say_saved(tasks: tuple[KernelTask, ...], out: Path, file: Mapping[str, str]) -> None:
    uploaded = f", uploaded as {file['file']}" if file else ""
    output.say(f"{len(tasks)} tasks are in {out}{uploaded}.")


def _lines(path: Path, field: str) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UserError(f"cannot read {path}: {reason}", field=field) from None


def _show(found: Mapping[str, metrics.Figures], unjudged: Mapping[str, int]) -> None:
    overall = next(iter(found.values()))
    tries = list(overall.pass_at)
    columns = ["", "tasks", "samples", "format", "compiled", "correct"]
    columns += [f"fast_{p:g}" for p in overall.fast] + [f"pass@{k}" for k in tries] + ["flagged"]
    output.print_table(columns, [_row(title, one, tries) for title, one in found.items()], "")
    output.print_fields({f"flag {name}": count for name, count in sorted(overall.flags.items())})
    output.print_fields({f"not judged: {name}": count for name, count in unjudged.items()})


def _row(title: str, one: metrics.Figures, tries: list[int]) -> list[object]:
    row: list[object] = [title, one.tasks, one.samples]
    row += map(_percent, (one.format, one.compiled, one.correct))
    row += [NOT_MEASURED if share is None else _percent(share) for share in one.fast.values()]
    return [*row, *(_percent(one.pass_at[k]) for k in tries), _percent(one.flagged)]


def _percent(share: float) -> str:
    return f"{share:.1%}"
