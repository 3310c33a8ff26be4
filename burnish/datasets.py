"""Datasets: JSONL, CSV or Parquet bytes → rows with messages, columns as text, optional completion.

A row has a `prompt` (text, or chat messages) or `messages` (chat messages). A demonstration to learn
from by supervision is a `completion` column, or a last message of the role "assistant". Every
message of an error says which row is wrong and what would be right.
"""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from typing import Any

from burnish.errors import UserError

FORMATS = (".jsonl", ".csv", ".parquet")
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class ChatMessage:
    role: str
    content: str


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """`id` is the row's number, from 0; `example` holds every column as text."""

    id: str
    messages: tuple[ChatMessage, ...]
    example: Mapping[str, str]
    completion: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """At least one row; `columns` in the order in which they first appear."""

    rows: tuple[DatasetRow, ...]
    columns: tuple[str, ...]

    @property
    def labelled(self) -> tuple[DatasetRow, ...]:
        """Rows that supervised learning can use."""
        return tuple(row for row in self.rows if row.completion is not None)


def parse(content: bytes, filename: str) -> Dataset:
    """Read a dataset; the format follows from the name's ending.

    Raises:
        UserError: Names the file, the row and what is accepted.
    """
    found = records(content, filename)
    columns = tuple(dict.fromkeys(column for _, record in found for column in record))
    _check_columns(columns, filename)
    rows = tuple(
        _row(number, record, f"{filename}, {place}") for number, (place, record) in enumerate(found)
    )
    return Dataset(rows, columns)


Record = tuple[str, dict[str, Any]]
"""Where in the file (for people), and the columns."""


def records(content: bytes, filename: str) -> list[Record]:
    """Read a table; the format follows from the name's ending. Its columns may be any.

    Raises:
        UserError: Names the file, the row and what is accepted.
    """
    suffix = PurePath(filename).suffix.lower()
    reader = _READERS.get(suffix)
    if reader is None:
        raise UserError(
            f"{filename}: a dataset is a .jsonl, .csv or .parquet file, not {suffix or 'a file without ending'}.",
            field="file",
        )
    if not content.strip():
        raise UserError(f"{filename} is empty.", field="file", hint="add one row per prompt")
    found = list(reader(content, filename))
    if not found:
        raise UserError(f"{filename} has no rows.", field="file", hint="add one row per prompt")
    return found


def _read_jsonl(content: bytes, filename: str) -> Iterator[Record]:
    for number, line in enumerate(_text(content, filename).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{filename}, line {number} is not valid JSON: {error.msg} at column {error.colno}.",
                field="file",
                hint="each line is one JSON object",
            ) from None
        if not isinstance(record, dict):
            raise UserError(
                f"{filename}, line {number} is {_kind(record)}, not a JSON object.", field="file"
            )
        yield f"line {number}", record


def _read_csv(content: bytes, filename: str) -> Iterator[Record]:
    reader = csv.DictReader(io.StringIO(_text(content, filename), newline=""), strict=True)
    try:
        for record in reader:
            place = f"line {reader.line_num}"
            if None in record or None in record.values():
                raise UserError(
                    f"{filename}, {place} has another number of columns than the header.",
                    field="file",
                    hint="put text that contains commas or line breaks in double quotes",
                )
            yield place, dict(record)
    except csv.Error as error:
        raise UserError(
            f"{filename}, line {reader.line_num} is not valid CSV: {error}.", field="file"
        ) from None


def _read_parquet(content: bytes, filename: str) -> Iterator[Record]:
    try:
        import pyarrow as pa  # noqa: PLC0415 - large, and only this format needs it
        import pyarrow.parquet as pq  # noqa: PLC0415
    except ImportError:
        raise UserError(
            "Reading Parquet needs pyarrow.", field="file", hint="pip install pyarrow"
        ) from None
    try:
        table = pq.read_table(pa.BufferReader(content))
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"{filename} is not a Parquet file that can be read: {str(error).splitlines()[0]}",
            field="file",
        ) from None
    for number, record in enumerate(table.to_pylist(), start=1):
        yield f"row {number}", record


_READERS: Mapping[str, Callable[[bytes, str], Iterator[Record]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


def _text(content: bytes, filename: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{filename} is not UTF-8 text: byte {error.start} cannot be read.",
            field="file",
            hint="save it as UTF-8",
        ) from None


def _check_columns(columns: tuple[str, ...], filename: str) -> None:
    if "prompt" in columns or "messages" in columns:
        return
    found = ", ".join(columns) or "none"
    raise UserError(
        f"{filename} has no `prompt` or `messages` column; it has: {found}.",
        field="file",
        hint="rename the column that holds the model's input to `prompt`",
    )


def _row(number: int, record: Mapping[str, Any], place: str) -> DatasetRow:
    messages, answer = _conversation(record, place)
    completion = record.get("completion")
    if completion is None or completion == "":
        completion = answer
    elif not isinstance(completion, str):
        completion = _answer_of(completion, place)
    example = {column: _as_text(value) for column, value in record.items()}
    return DatasetRow(str(number), messages, example, completion)


def _conversation(
    record: Mapping[str, Any], place: str
) -> tuple[tuple[ChatMessage, ...], str | None]:
    """The messages that the model sees, and the answer when the conversation includes one."""
    column = "messages" if record.get("messages") else "prompt"
    value = record.get(column)
    if isinstance(value, str) and column == "messages":
        value = _decoded(value, place)  # CSV has no lists
    if isinstance(value, str) and value.strip():
        return (ChatMessage("user", value),), None
    if not isinstance(value, list) or not value:
        raise UserError(f"{place}: the prompt is missing.", field=column)
    messages = tuple(_message(item, f"{place}, `{column}`") for item in value)
    if messages[-1].role != "assistant":
        return messages, None
    if len(messages) == 1:
        raise UserError(f"{place}: the conversation has an answer but no question.", field=column)
    return messages[:-1], messages[-1].content


def _decoded(text: str, place: str) -> Any:  # noqa: ANN401 (JSON)
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise UserError(
            f"{place}: `messages` is not a JSON list of messages.",
            field="messages",
            hint='for plain text, call the column `prompt`; else [{"role": "user", "content": "..."}]',
        ) from None


def _message(item: object, place: str) -> ChatMessage:
    if not isinstance(item, Mapping) or not isinstance(item.get("content"), str):
        raise UserError(
            f"{place}: a message is an object with `role` and text `content`.",
            hint='for example {"role": "user", "content": "Hello"}',
        )
    if item.get("role") not in ROLES:
        raise UserError(
            f"{place}: role {item.get('role')!r} is not known.", hint=f"one of {', '.join(ROLES)}"
        )
    return ChatMessage(str(item["role"]), str(item["content"]))


def _answer_of(value: object, place: str) -> str:
    """A completion as a list with one assistant message, as conversational datasets write it."""
    if isinstance(value, list) and len(value) == 1:
        return _message(value[0], f"{place}, `completion`").content
    raise UserError(f"{place}: `completion` is {_kind(value)}, not text.", field="completion")


_dump = partial(json.dumps, ensure_ascii=False, default=str)


def _as_text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _dump(value)


def _kind(value: object) -> str:
    names = {list: "a list", str: "text", bool: "true or false", dict: "an object"}
    return names.get(type(value), "null" if value is None else "a number")
