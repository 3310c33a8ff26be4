"""KernelBench as tasks: its repository's folders, its Parquet files, or JSON lines.

A folder holds `level1/19_ReLU.py`; a row of a table has `level`, `problem_id`, `name` and `code`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish import datasets
from burnish.errors import UserError
from burnish.tasks import unsuitable
from burnish.tasks.task import KernelTask, Unusable, examine

COLUMNS = ("level", "problem_id", "name", "code")
ACCEPTED = "a folder with level1/*.py, a .parquet file, or a .jsonl file"

_LEVEL = re.compile(r"level_?(\d+)", re.IGNORECASE)
_PROBLEM = re.compile(r"(\d+)_(\w+)")


@dataclass(frozen=True, slots=True)
class Skipped:
    """A problem that was left out, and why."""

    id: str
    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Import:
    """What a collection of problems holds."""

    tasks: tuple[KernelTask, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, slots=True)
class _Problem:
    level: int
    number: int
    name: str
    code: str
    reduced: bool = False

    @property
    def id(self) -> str:
        return f"kernelbench/{self.level}/{self.number}"


def read(path: Path, *, levels: Collection[int] = (), everything: bool = False) -> Import:
    """Read problems, in the order of their levels and numbers.

    Args:
        path: of the folder or file.
        levels: only these; all if empty.
        everything: keep problems that are known to teach the wrong thing.

    Raises:
        UserError: the path or a row cannot be read, or nothing is left.
    """
    tasks: dict[str, KernelTask] = {}
    skipped: list[Skipped] = []
    for problem in sorted(_problems(path), key=lambda each: (each.level, each.number)):
        if levels and problem.level not in levels:
            continue
        reason = _objection(problem, everything=everything)
        if reason is None and problem.id in tasks:
            reason = "the same level and number came before"
        if reason is not None:
            skipped.append(Skipped(problem.id, problem.name, reason))
            continue
        tasks[problem.id] = KernelTask(problem.id, problem.name, problem.level, problem.code)
    if not tasks:
        chosen = f" of level {', '.join(map(str, sorted(levels)))}" if levels else ""
        hint = f"{skipped[0].name} {skipped[0].reason}" if skipped else ""
        raise UserError(f"{path} holds no usable task{chosen}.", field="file", hint=hint)
    return Import(tuple(tasks.values()), tuple(skipped))


def _objection(problem: _Problem, *, everything: bool) -> str | None:
    known = unsuitable.REDUCED if problem.reduced else unsuitable.ORIGINAL
    try:
        examine(problem.code)
    except Unusable as error:
        return str(error)
    return None if everything else known.get((problem.level, problem.number))


def _problems(path: Path) -> Iterator[_Problem]:
    if path.is_dir():
        return _folder(path)
    if path.suffix.lower() not in datasets.FORMATS:
        raise UserError(f"{path} is not {ACCEPTED}.", field="file")
    return _table(path)


def _folder(path: Path) -> Iterator[_Problem]:
    inside = _LEVEL.fullmatch(path.name)
    folders = [path] if inside else sorted(p for p in path.iterdir() if _LEVEL.fullmatch(p.name))
    if not folders:
        raise UserError(f"{path} has no folder level1, level2, ….", field="file")
    for folder in folders:
        level = int(_LEVEL.findall(folder.name)[0])
        for file in sorted(folder.glob("*.py")):
            if found := _PROBLEM.fullmatch(file.stem):
                yield _Problem(level, int(found[1]), file.stem, _text(file))


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}", field="file") from None


def _table(path: Path) -> Iterator[_Problem]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}", field="file") from None
    named = _LEVEL.search(path.name)
    for place, record in datasets.records(content, path.name):
        level = {"level": int(named[1])} if named else {}
        yield _problem({**level, **record}, f"{path.name}, {place}")


def _problem(record: Mapping[str, Any], place: str) -> _Problem:
    missing = [name for name in COLUMNS if record.get(name) in (None, "")]
    if missing:
        raise UserError(
            f"{place} has no `{missing[0]}`.",
            field=missing[0],
            hint=f"each row has {', '.join(COLUMNS)}",
        )
    if not isinstance(record["code"], str):
        raise UserError(f"{place}: `code` is not text.", field="code")
    return _Problem(
        _number(record, "level", place),
        _number(record, "problem_id", place),
        str(record["name"]),
        record["code"],
        reduced=bool(record.get("changed")),
    )


def _number(record: Mapping[str, Any], name: str, place: str) -> int:
    try:
        return int(record[name])
    except (TypeError, ValueError):
        raise UserError(f"{place}: `{name}` is not a whole number.", field=name) from None
