"""Cases of the kernel suite, read from `cases/`.

A file holds sections: a line `#### name | task | expected flags`, then the text of the completion. Tasks
are written short: constants, one line for each input, and the returned expression.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "cases"
IMPORTS = """\
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
import triton
import triton.language as tl

"""
_SECTION = re.compile(r"^#### (.+)$", re.MULTILINE)
_TASK = """\
import torch
import torch.nn as nn
import torch.nn.functional as F

class Model(nn.Module):
    def forward(self, {names}):
        return {result}

{constants}

def get_inputs():
    return [{draws}]

def get_init_inputs():
    return []
"""


class Case(NamedTuple):
    """A completion, and what is expected of it.

    Attributes:
        expected: the flags of which one must be raised; empty: none may.
    """

    kind: str
    name: str
    task: str
    completion: str
    expected: tuple[str, ...]
    shapes: str = ""

    @property
    def id(self) -> str:
        return f"{self.kind}/{self.name}"

    def line(self, tasks: Mapping[str, str]) -> dict[str, Any]:
        """As `burnish grade` reads it."""
        example = {"task": tasks[self.task], "name": self.task}
        return {"id": self.id, "completion": self.completion, "example": example}


def tasks() -> dict[str, str]:
    """PyTorch modules by name."""
    found = {}
    for title, text in _sections("tasks"):
        found[title.partition("(")[0]] = text if text.startswith("import") else _task(title, text)
    return found


def cases(kind: str, *, imports: bool = True) -> list[Case]:
    """The cases of a file; `imports` puts the usual ones before each."""
    found = []
    for title, text in _sections(kind):
        name, task, *flags = (part.strip() for part in title.split("|"))
        completion = IMPORTS + text if imports else text
        found.append(Case(kind, name, task, completion, tuple(" ".join(flags).split())))
    return found


def _sections(name: str) -> Iterator[tuple[str, str]]:
    _, *parts = _SECTION.split((FOLDER / f"{name}.txt").read_text(encoding="utf-8"))
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        yield title.strip(), text.strip("\n") + "\n"


def _task(title: str, text: str) -> str:
    inputs = re.findall(r"^(\w+): (.+)$", text, re.MULTILINE)
    line = re.search(r"^(\w.*) = (.+)$", text, re.MULTILINE)
    result = re.search(r"^= (.+)$", text, re.MULTILINE)
    assert line and result, title
    pairs = zip(line[1].split(", "), line[2].split(", "), strict=True)
    return _TASK.format(
        names=", ".join(name for name, _ in inputs),
        result=result[1],
        constants="\n".join(f"{name} = {value}" for name, value in pairs),
        draws=", ".join(draw for _, draw in inputs),
    )
