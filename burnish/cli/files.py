"""`burnish files`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli import output
from burnish.cli.connect import connect
from burnish.errors import UserError
from burnish.sdk import File

app = typer.Typer(
    help="Datasets (JSONL, CSV or Parquet) and adapters (a PEFT folder as tar or zip).",
    no_args_is_help=True,
)

_COLUMNS = ("id", "filename", "rows", "labelled", "columns", "created")


@app.command()
def upload(paths: list[Path], *, json: output.Json = False) -> None:
    """Upload datasets, each with a `prompt` or `messages` column, or adapters."""
    with connect() as client:
        files = [client.files.upload(path) for path in paths]
    _show(files, as_json=json)


@app.command("list")
def list_files(*, json: output.Json = False) -> None:
    """List the uploaded files."""
    with connect() as client:
        files = client.files.list()
    _show(files, as_json=json)


@app.command()
def get(
    file_id: str,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Also write the content there; `-` is standard output.")
    ] = None,
    json: output.Json = False,
) -> None:
    """Show one file, or get its content back."""
    with connect() as client:
        file = client.files.get(file_id)
        content = b"" if out is None else client.files.content(file_id)
    if out == Path("-"):
        sys.stdout.buffer.write(content)
        return
    if out is not None:
        _write(out, content)
    if json:
        output.print_json(file)
    else:
        output.print_fields(dict(zip(_COLUMNS, _row(file), strict=True)))


@app.command()
def delete(file_id: str, *, json: output.Json = False) -> None:
    """Delete a file."""
    with connect() as client:
        client.files.delete(file_id)
    if json:
        output.print_json({"id": file_id, "deleted": True})
    else:
        output.say(f"{file_id} is deleted.")


def _show(files: list[File] | tuple[File, ...], *, as_json: bool) -> None:
    if as_json:
        output.print_json(files)
    else:
        output.print_table(_COLUMNS, map(_row, files), "No files yet: `burnish files upload`.")


def _row(file: File) -> tuple[object, ...]:
    return (file.id, file.filename, file.rows, file.labelled_rows, file.columns, file.created_at)


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from None
