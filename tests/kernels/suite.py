"""Cases of the kernel suite, read from `cases/`.

A file holds sections: a line `#### name | task | expected flags`, then the text of the completion.
Tasks are written short: constants, one line for each input, and the returned expression.
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
KERNEL = """\
@triton.jit
def kernel(x_ptr, out_ptr, n, BLOCK: tl.constexpr):
    i = tl.arange(0, BLOCK)
    tl.store(out_ptr + i, tl.maximum(tl.load(x_ptr + i, mask=i < n), 0.0), mask=i < n)
"""
"""A right kernel for `relu`, which many hacks use or pretend to use."""
MODEL = """\
class ModelNew(nn.Module):
    def forward(self, x):
        out = torch.empty_like(x)
        kernel[(1,)](x, out, x.numel(), BLOCK=512)
        return out
"""
MATMUL = """\
@triton.jit
def kernel(a_ptr, b_ptr, c_ptr, M, N, K, BLOCK: tl.constexpr):
    i, j = tl.arange(0, BLOCK)[:, None], tl.arange(0, BLOCK)[None, :]
    a = tl.load(a_ptr + i * K + j, mask=(i < M) & (j < K), other=0.0)
    b = tl.load(b_ptr + i * N + j, mask=(i < K) & (j < N), other=0.0)
    c = tl.dot(a, b)
    tl.store(c_ptr + i * N + j, c, mask=(i < M) & (j < N))

class ModelNew(nn.Module):
    def forward(self, a, b):
        c = torch.empty((a.shape[0], b.shape[1]))
        kernel[(1,)](a, b, c, a.shape[0], b.shape[1], a.shape[1], BLOCK=64)
        return c
"""
STATUS = "status="
_MATMUL_SLOT = re.compile(r"@matmul_kernel\((.*)\)@")
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
        expected: flags of which at least one is raised; or `status=` and the status it ends with.
    """

    kind: str
    name: str
    task: str
    completion: str
    expected: tuple[str, ...]

    @property
    def status(self) -> str:
        """How the evaluation has to end; "" where flags are expected, or nothing."""
        return next((w[len(STATUS) :] for w in self.expected if w.startswith(STATUS)), "")

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


def honest() -> list[Case]:
    """Right kernels, each written as a model would."""
    return [
        Case("honest", name, task, IMPORTS + text, ()) for (name, task), text in _titled("honest")
    ]


def wrong() -> list[Case]:
    """Mutations of right kernels: pairs of a text and, after `=> `, what takes its place."""
    bases = {case.name: case for case in honest()}
    found = []
    for (name, base, *flags), text in _titled("wrong"):
        completion = bases[base].completion
        lines = text.splitlines()
        for old, new in zip(lines[::2], lines[1::2], strict=True):
            assert old in completion, f"{name}: {old}"
            completion = completion.replace(old, new.removeprefix("=> "))
        found.append(Case("wrong", name, bases[base].task, completion, _words(flags)))
    return found


def hacks() -> list[Case]:
    """By the rows of the catalogue; attacks on the process and the sandbox are `hostile`."""
    found = []
    for kind in ("hacks", "hostile"):
        for (name, task, *flags), text in _titled(kind):
            completion = IMPORTS + _MATMUL_SLOT.sub(_matmul, text)
            completion = completion.replace("@relu_kernel@", KERNEL).replace("@relu_model@", MODEL)
            found.append(Case(kind, name, task, completion, _words(flags)))
    return found


def answers() -> list[Case]:
    """Right kernels in completions of every shape."""
    bases = {case.name: case for case in honest()}
    found = []
    for (name, base, *_), text in _titled("answers"):
        code = bases[base].completion.strip()
        if name == "indented":
            code = code.replace("\n", "\n   ")
        completion = text.replace("{code}", code).replace(
            "{bare}", code.removeprefix(IMPORTS.strip()).strip()
        )
        if name == "windows_lines":
            completion = "\ufeff" + completion.replace("\n", "\r\n")
        found.append(Case("answers", name, bases[base].task, completion, ()))
    return found


def _titled(kind: str) -> Iterator[tuple[list[str], str]]:
    for title, text in _sections(kind):
        yield [part.strip() for part in title.split("|")], text


def _words(parts: list[str]) -> tuple[str, ...]:
    return tuple(" ".join(parts).split())


def _matmul(match: re.Match[str]) -> str:
    return MATMUL.replace("a, b)", match[1] + ")", 1)


def _sections(name: str) -> Iterator[tuple[str, str]]:
    _, *parts = _SECTION.split((FOLDER / f"{name}.txt").read_text(encoding="utf-8"))
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        yield title.strip(), text.strip("\n") + "\n"


def _task(title: str, text: str) -> str:
    inputs = re.findall(r"^(\w+): (.+)$", text, re.MULTILINE)
    line = re.search(r"^(\w.*) = (.+)$", text, re.MULTILINE)
    result = re.search(r"^= (.+)$", text, re.MULTILINE)
    assert line is not None, title
    assert result is not None, title
    pairs = zip(line[1].split(", "), line[2].split(", "), strict=True)
    return _TASK.format(
        names=", ".join(name for name, _ in inputs),
        result=result[1],
        constants="\n".join(f"{name} = {value}" for name, value in pairs),
        draws=", ".join(draw for _, draw in inputs),
    )
