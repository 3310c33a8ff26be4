"""Finds the module in what a model wrote: reasoning, prose, fences and forgotten imports aside."""

import ast
import re
import symtable
import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

ENTRY = "ModelNew"
MAX_LENGTH = 200_000
ATTEMPTS = 24
"""Places at which bare code between prose may begin or end; bounds the parsing."""
IMPORTS = {
    "torch": "import torch",
    "nn": "import torch.nn as nn",
    "F": "import torch.nn.functional as F",
    "triton": "import triton",
    "tl": "import triton.language as tl",
    "math": "import math",
}
_LANGUAGES = {"", "py", "python", "python3", "triton"}
_FENCE = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^\s`{]*)[^`]*")
_START = re.compile(r"(?:import|from|class|def)\s+\w|@\w|\"\"\"|'''")
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u200c\u200d\u2060"))
_SURROGATE = re.compile("[\ud800-\udfff]")


class FormatError(Exception):
    """The completion holds no module that could be judged."""


class _Block(NamedTuple):
    code: str
    closed: bool


def extract(text: str) -> str:
    """The module that a completion proposes, with the usual imports where they were forgotten.

    Forgotten imports make one line, behind the docstring and `from __future__`: lines below it are
    counted one higher than in the completion.

    Raises:
        FormatError: there is none.
    """
    text = answer(text)
    blocks = list(_blocks(text))
    return _with_imports(_chosen(blocks) if blocks else _bare(text))


def answer(text: str) -> str:
    """The text that is meant as the answer: without reasoning and invisible characters.

    Raises:
        FormatError: it is too long, not text, or reasoning alone.
    """
    if len(text) > MAX_LENGTH:
        raise FormatError(f"the completion has more than {MAX_LENGTH} characters")
    if "\0" in text:
        raise FormatError("the completion contains a null character")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE)
    text = _SURROGATE.sub("\ufffd", text)
    text = text.rpartition("</think>")[2]
    before, opened, _ = text.partition("<think>")
    if opened:
        text = before
        if not before.strip():
            raise FormatError("the completion ends inside <think>: no answer follows it")
    if "<answer>" in text:
        text = text.rpartition("<answer>")[2].partition("</answer>")[0]
    if not text.strip():
        raise FormatError("the completion is empty")
    return text


def code(text: str) -> str:
    """The last fenced block of a short answer, or all of it, without common indentation.

    Raises:
        FormatError: see `answer`.
    """
    text = answer(text)
    found = [block for block in _blocks(text) if block.code.strip()]
    return textwrap.dedent(found[-1].code if found else text).strip("\n")


def parse(source: str) -> ast.Module:
    """The module's tree.

    Raises:
        FormatError: it is not Python, or nested too deeply.
    """
    try:
        return ast.parse(source)
    except SyntaxError as error:
        raise FormatError(f"not Python: line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise FormatError(
            "not Python: nested too deeply, or with characters it does not know"
        ) from None


def _blocks(text: str) -> Iterator[_Block]:
    """Fenced blocks of Python, without the indentation of their fences."""
    fence, indent, wanted = "", 0, False
    lines: list[str] = []
    for line in text.split("\n"):
        match = _FENCE.fullmatch(line)
        if not fence and match:
            indent, fence, wanted = len(match[1]), match[2], match[3].lower() in _LANGUAGES
            lines = []
        elif fence and match and match[2].startswith(fence) and not match[3]:
            if wanted:
                yield _Block("\n".join(lines), closed=True)
            fence = ""
        elif fence:
            lines.append(line[indent:] if not line[:indent].strip() else line)
    if fence and wanted:
        yield _Block("\n".join(lines), closed=False)


def _chosen(blocks: Sequence[_Block]) -> str:
    """The last block with the model, joined with those that define what it lacks."""
    failure = FormatError(f"no class {ENTRY} in any code block")
    parsed: dict[int, str] = {}
    entries: list[int] = []
    for index, block in enumerate(blocks):
        try:
            names = _defined(block.code)
        except FormatError as error:
            if ENTRY in block.code:
                failure = error
            continue
        parsed[index] = block.code
        if ENTRY in names:
            entries.append(index)
    if not entries:
        raise failure
    entry = max(entries, key=lambda index: (blocks[index].closed, index))
    taken = {entry}
    missing = _missing(parsed[entry])
    # Nearest first: an explanation may show a kernel's drafts before the final one.
    others = (i for i in (*range(entry - 1, -1, -1), *range(entry + 1, len(blocks))) if i in parsed)
    for index in others:
        names = _defined(parsed[index])
        if ENTRY not in names and names & missing:
            taken.add(index)
            missing = (missing | _missing(parsed[index])) - names
    return "\n".join(parsed[index] for index in sorted(taken))


def _bare(text: str) -> str:
    """Code without fences, possibly between prose."""
    lines = text.split("\n")
    starts = [0, *(i for i, line in enumerate(lines) if i and _START.match(line))]
    failure: FormatError | None = None
    known = 0  # what lies before parses, and holds no model
    for start in starts[:ATTEMPTS]:
        end = len(lines)
        if start < known:
            continue
        for _ in range(ATTEMPTS):
            source = "\n".join(lines[start:end])
            try:
                tree = ast.parse(source)
            except SyntaxError as error:
                failure = failure or FormatError(f"not Python: line {error.lineno}: {error.msg}")
                end = _cut(lines, start, error.lineno or 0)
                if end <= start:
                    break
                continue
            except (ValueError, RecursionError, MemoryError):
                raise FormatError("not Python: nested too deeply") from None
            if any(isinstance(node, ast.ClassDef) and node.name == ENTRY for node in tree.body):
                return source
            known = end
            break
    if ENTRY not in text or failure is None:
        raise FormatError(f"no class {ENTRY} in the completion")
    raise failure


def _cut(lines: Sequence[str], start: int, number: int) -> int:
    """Where code ends if prose begins at a line that does not parse; `start` if it cannot be prose."""
    index = start + number - 1
    if not start < index < len(lines) or lines[index][:1] in " \t)]}":
        return start
    return index


def _defined(source: str) -> set[str]:
    """Names that a module binds at its top level."""
    return {symbol.get_name() for symbol in _table(source).get_symbols() if _binds(symbol)}


def _missing(source: str) -> set[str]:
    """Names that a module uses and does not bind; builtins among them."""
    table = _table(source)
    bound = {symbol.get_name() for symbol in table.get_symbols() if _binds(symbol)}
    return {name for name in _used(table) if name not in bound}


def _used(table: symtable.SymbolTable) -> Iterator[str]:
    pending = [table]
    while pending:
        scope = pending.pop()
        pending += scope.get_children()
        top = scope.get_type() == "module"
        yield from (
            s.get_name()
            for s in scope.get_symbols()
            if s.is_referenced() and (top or s.is_global())
        )


def _binds(symbol: symtable.Symbol) -> bool:
    return symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()


def _table(source: str) -> symtable.SymbolTable:
    parse(source)
    try:
        return symtable.symtable(source, "candidate.py", "exec")
    except SyntaxError as error:
        raise FormatError(f"not Python: line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise FormatError("not Python: nested too deeply") from None


def _with_imports(source: str) -> str:
    missing = _missing(source)
    wanted = [line for name, line in IMPORTS.items() if name in missing]
    if not wanted:
        return source
    last = 0
    for node in parse(source).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        last = node.end_lineno or 0
    lines = source.split("\n")
    return "\n".join([*lines[:last], "; ".join(wanted), *lines[last:]])
