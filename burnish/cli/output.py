"""What verbs print: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_PIPE_WIDTH = 240


def console(*, stderr: bool = False) -> Console:
    """Standard output (or error), wide enough that a pipe gets whole lines."""
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(
        stderr=stderr, width=_PIPE_WIDTH if piped else None, highlight=False, soft_wrap=piped
    )


def print_json(value: object) -> None:
    sys.stdout.write(json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n")


def print_json_line(value: object) -> None:
    sys.stdout.write(json.dumps(plain(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def plain(value: Any) -> Any:  # noqa: ANN401 (JSON)
    """The value as JSON has it: dataclasses become objects, times ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], empty: str) -> None:
    """A table, or the sentence `empty` when there is no row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    if table.row_count:
        console().print(table)
    else:
        console().print(empty)


def print_fields(pairs: Mapping[str, object]) -> None:
    """One `name  value` line each; empty values are left out."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in pairs.items():
        if cell(value):
            table.add_row(Text(name, style="bold"), Text(cell(value)))
    console().print(table)


def say(sentence: str) -> None:
    console().print(Text(sentence))


def cell(value: object) -> str:
    """A value as people read it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(item) for item in value)
    return str(value)
