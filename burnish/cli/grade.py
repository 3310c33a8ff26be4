"""`burnish grade`: the reward sandbox on a file of cases, with no bus and no job."""

import json as jsonlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from burnish.cli import definitions, output
from burnish.errors import BurnishError, SetupError, UserError
from burnish.reward_spec import TRITON, RewardDefinition

INFRASTRUCTURE = frozenset({"sandbox_unavailable", "lane_error"})
_SANDBOXES = ("auto", "docker", "process")

app = typer.Typer()


@app.command()
def grade(
    *,
    cases: Annotated[Path, typer.Option("--cases", help="JSONL of cases.")],
    out: Annotated[Path, typer.Option("--out", help="JSONL of results; goes on where it ended.")],
    reward: Annotated[
        str, typer.Option("--reward", help="`triton`, a .py function, or a .json grader.")
    ] = "",
    option: definitions.Options = None,
    package: definitions.Packages = None,
    seconds: Annotated[float, typer.Option(min=0, help="Wall time of one evaluation.")] = 0,
    lanes: Annotated[int, typer.Option(min=0, help="Cases at a time; default: cores.")] = 0,
    sandbox: Annotated[str, typer.Option(help="`docker`, or `process` for development.")] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Judge all cases again.")] = False,
    json: output.Json = False,
) -> None:
    """Judge cases in the sandbox: one `{"id", "completion", ...}` a line in, one result a line out.

    Exits 1 if some case could not be judged because the sandbox failed; repeating the command
    judges only those.
    """
    definition = _definition(reward, option or (), package or (), seconds)
    if sandbox and sandbox not in _SANDBOXES:
        raise UserError(f"{sandbox!r} is no sandbox", field="--sandbox", hint=", ".join(_SANDBOXES))
    if fresh:
        out.unlink(missing_ok=True)
    order = {
        "cases": str(cases),
        "out": str(out),
        "limits": {"seconds": seconds} if seconds else {},
        "definition": None if definition is None else definition.model_dump(exclude_defaults=True),
    }
    settings = {"BURNISH_SANDBOX": sandbox, "BURNISH_REWARD_LANES": str(lanes or "")}
    _follow(jsonlib.dumps(order), {name: value for name, value in settings.items() if value})
    summary = _summary(out)
    if json:
        output.print_json(summary)
    else:
        _show(summary, out)
    if any(summary["statuses"].get(status) for status in INFRASTRUCTURE):
        raise typer.Exit(1)


def _definition(
    reward: str, option: Sequence[str], package: Sequence[str], seconds: float
) -> RewardDefinition | None:
    if not reward:
        return None
    path = None if reward == TRITON else Path(reward)
    grader = path is not None and path.suffix == ".json"
    return definitions.define(
        None if grader else path,
        preset="" if path else TRITON,
        grader=path if grader else None,
        options=option,
        packages=package,
        limits=[f"seconds={seconds}"] if seconds else (),
    )


def _follow(order: str, settings: Mapping[str, str]) -> None:
    """Run the grader to its end, and show how far it is."""
    command = [sys.executable, "-m", "svc_reward.grade", order]
    with (
        subprocess.Popen(  # noqa: S603 - our own program
            command, stdout=subprocess.PIPE, text=True, env=os.environ | settings
        ) as process,
        _bar() as bar,
    ):
        task = bar.add_task("grading", total=None)
        error: Mapping[str, Any] | None = None
        for event in _events(process.stdout or ()):
            if "error" in event:
                error = event
            else:
                bar.update(task, completed=event["done"], total=event["total"])
    if error is not None:
        raise (UserError if error["bad_input"] else BurnishError)(error["error"])
    if process.returncode:
        raise SetupError(f"the grader ended with status {process.returncode}; see above")


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=output.console(stderr=True), disable=not sys.stderr.isatty())


def _events(lines: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - a text stream
    for line in lines:
        yield jsonlib.loads(line)


def _summary(out: Path) -> dict[str, Any]:
    results = [jsonlib.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    scored = [result["score"] for result in results if result["score"] is not None]
    parts: dict[str, list[float]] = {}
    for result in results:
        for name, value in result["scores"].items():
            if value is not None:
                parts.setdefault(name, []).append(value)
    return {
        "cases": len(results),
        "statuses": dict(Counter(result["status"] for result in results)),
        "score": sum(scored) / len(scored) if scored else None,
        "scores": {name: sum(values) / len(values) for name, values in parts.items()},
        "flags": dict(Counter(flag for result in results for flag in result["flags"])),
        "cpu_seconds": sum(result["cpu_ms"] for result in results) / 1000,
        "isolation": sorted({result["isolation"] for result in results if result["isolation"]}),
    }


def _show(summary: Mapping[str, Any], out: Path) -> None:
    output.print_fields(
        {
            "cases": summary["cases"],
            "mean score": summary["score"],
            **{f"  {name}": value for name, value in summary["scores"].items()},
            **{f"status {name}": count for name, count in summary["statuses"].items()},
            **{f"flag {name}": count for name, count in sorted(summary["flags"].items())},
            "CPU seconds": summary["cpu_seconds"],
            "isolation": summary["isolation"],
            "results": out,
        }
    )
