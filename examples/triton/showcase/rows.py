"""The rows of the showcase: two tasks over the same operations, each in four disjoint sets.

- train: the operations of `train.jsonl`, twelve of them labelled, and 240 more. A prompt without an
  answer costs nothing, and what RL does with many carries further;
- validation: those of `heldout.jsonl`. Curves are drawn on them;
- choice: 96 on which settings are chosen;
- test: 96 more. A model answers them once, when everything about it is decided.

What is not in the example's files is drawn with seeds of its own.

`body` asks for the body of a kernel. `kernel` asks for the whole kernel: signature, offsets, mask,
loads, body and store. Its training rows also come in an easier form, in which the template gives all
but the body away; a curriculum begins with it.
"""

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from examples.triton import make_data
from examples.triton.make_data import HELD_OUT, LABELLED, POOL, Operation

TEST, TEST_SEED = 96, 4001
CHOICE, CHOICE_SEED = 96, 1009
MORE, MORE_SEED = 240, 3001
SIZE = 150
"""Of the task's vectors in the example's files."""

Row: TypeAlias = dict[str, str]
MakeRow: TypeAlias = Callable[[str, str | None], Row]
"""(expression, the labelled row's body) → row."""

SLOT = "{{completion}}"

_KERNEL = """\
@triton.jit
def kernel(x_ptr, y_ptr, out_ptr, size, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = i < size
    x = tl.load(x_ptr + i, mask)
    y = tl.load(y_ptr + i, mask)
    {body}
    tl.store(out_ptr + i, out, mask)"""

_MODULE = """\
import torch
import triton
import triton.language as tl


{kernel}


class ModelNew(torch.nn.Module):
    def forward(self, x, y):
        out = torch.empty_like(x)
        size = x.numel()
        kernel[(triton.cdiv(size, 128),)](x, y, out, size, BLOCK=128)
        return out
"""

FORMS: Mapping[str, tuple[int, int]] = {"body": (6, 7), "kernel": (0, 8)}
"""Which lines of the kernel a completion is: a row's `level`, easiest first."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The sets of one task."""

    train: Sequence[Row]
    validation: Sequence[Row]
    choice: Sequence[Row]
    test: Sequence[Row]


def rows_of(task: str, size: int = SIZE) -> Rows:
    """The rows of a task, on vectors of `size` elements."""
    if task == "body":
        # One row for each operation; its level is the depth of its expression.
        return _rows([partial(_body_row, size)], partial(_body_row, size))
    # Training rows in every form; held-out ones ask for whole kernels only.
    forms = [partial(kernel_row, form, size) for form in FORMS]
    return _rows(forms, partial(kernel_row, "kernel", size))


def depth(expression: str) -> int:
    """How deep calls and operators are nested: `torch.exp(x - y) * 2.0` is 3."""
    return _depth(ast.parse(expression, mode="eval"))


def write(rows: Sequence[Row], path: Path) -> None:
    """As JSON lines; the file is whole or not there."""
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    part.replace(path)


def unseen_operations() -> tuple[list[Operation], list[Operation], list[Operation]]:
    """In no file of the example: for `choice`, for `test`, and more for `train`."""
    known = {expression for expression, _ in make_data.operations()}
    sets = []
    for count, seed in ((CHOICE, CHOICE_SEED), (TEST, TEST_SEED), (MORE, MORE_SEED)):
        sets.append(make_data.draw(count, seed, known))
        known |= {expression for expression, _ in sets[-1]}
    choice, test, more = sets
    return choice, test, more


def _rows(forms: Sequence[MakeRow], held_out: MakeRow) -> Rows:
    names = [expression for expression, _ in make_data.operations()]
    choice, test, more = unseen_operations()
    pool = [*names[:POOL], *(name for name, _ in more)]
    train = [make(name, body) for make in forms for name, body in LABELLED.items()]
    train += [make(name, None) for make in forms for name in pool]
    return Rows(
        train=train,
        validation=[held_out(name, None) for name in names[POOL : POOL + HELD_OUT]],
        choice=[held_out(name, None) for name, _ in choice],
        test=[held_out(name, None) for name, _ in test],
    )


def _body_row(size: int, expression: str, body: str | None) -> Row:
    row = make_data.row(expression, body)
    return {**row, "task": _sized(row["task"], size), "level": str(depth(expression))}


def kernel_row(form: str, size: int, expression: str, body: str | None) -> Row:
    """What asks for a kernel in one of its forms; labelled where the body is given."""
    row = make_data.row(expression)
    row["task"] = _sized(row["task"], size)
    row |= {"prompt": f"{form}: {expression}", "template": _template(form), "level": form}
    return row if body is None else {**row, "completion": kernel_answer(form, body)}


def kernel_answer(form: str, body: str) -> str:
    """What a completion of this form has to be, for a kernel with this body."""
    first, last = FORMS[form]
    lines = _KERNEL.splitlines()[first:last]
    return "\n".join(line[4 * (first > 0) :] for line in lines).format(body=body)


def _template(form: str) -> str:
    """The module with a slot in place of the form's lines."""
    first, last = FORMS[form]
    lines = _KERNEL.splitlines()
    lines[first:last] = [" " * 4 * (first > 0) + SLOT]
    return _MODULE.format(kernel="\n".join(lines))


def _sized(task: str, size: int) -> str:
    return task.replace(f"SIZE = {SIZE}\n", f"SIZE = {size}\n")


def _depth(node: ast.AST) -> int:
    below = max((_depth(child) for child in ast.iter_child_nodes(node)), default=0)
    return below + isinstance(node, ast.Call | ast.BinOp | ast.Compare)
