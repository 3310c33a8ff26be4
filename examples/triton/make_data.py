"""Write the rows of this example: `python examples/triton/make_data.py [FOLDER]`.

Each operation is a composition of the primitives below, so its kernel is known. The model is shown
twelve kernels; beyond these it sees expressions only.

- `train.jsonl`: the twelve labelled operations and 72 more, for RL.
- `heldout.jsonl`: 24 that are never trained on. The example's settings were chosen on them.
- `fresh.jsonl`: 24 that no setting was chosen on.

No operation is in two of them; each primitive of the held-out ones occurs in `train.jsonl`. The
showcase draws a larger test set with another seed; see `showcase/rows.py`.

Beside its prompt a row has the columns that the preset `triton` judges by: `task`, `template`,
`shapes`.
"""

import json
import random
import sys
from collections.abc import Collection, Iterator
from itertools import product
from pathlib import Path

SEED = 7
POOL, HELD_OUT = 72, 24

TASK = """\
import torch
import torch.nn.functional as F

SIZE = 150


class Model(torch.nn.Module):
    def forward(self, x, y):
        return {expression}


def get_inputs():
    return [torch.randn(SIZE) * 2, torch.randn(SIZE) * 2]


def get_init_inputs():
    return []
"""
TEMPLATE = """\
import torch
import triton
import triton.language as tl


@triton.jit
def kernel(x_ptr, y_ptr, out_ptr, size, BLOCK: tl.constexpr):
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = offsets < size
    x = tl.load(x_ptr + offsets, mask=mask)
    y = tl.load(y_ptr + offsets, mask=mask)
    {{completion}}
    tl.store(out_ptr + offsets, out, mask=mask)


class ModelNew(torch.nn.Module):
    def forward(self, x, y):
        out = torch.empty_like(x)
        size = x.numel()
        kernel[(triton.cdiv(size, 128),)](x, y, out, size, BLOCK=128)
        return out
"""
# The task's own size is one and a bit more than one block of 128; this one is less than one.
SHAPES = [{"SIZE": 41}]

LABELLED = {
    "torch.relu(x) + y": "out = tl.maximum(x, 0.0) + y",
    "torch.relu(y * x) * 0.5": "out = tl.maximum(y * x, 0.0) * 0.5",
    "torch.square(x) + torch.abs(y)": "out = x * x + tl.abs(y)",
    "torch.square(y) * 0.5 - x": "out = y * y * 0.5 - x",
    "F.silu(x) - y * 2.0": "out = x * tl.sigmoid(x) - y * 2.0",
    "torch.reciprocal(y) * 2.0 + x": "out = 1.0 / y * 2.0 + x",
    "torch.sigmoid(y) * 3.0 + x": "out = tl.sigmoid(y) * 3.0 + x",
    "torch.exp(x - y) * 2.0": "out = tl.exp(x - y) * 2.0",
    "torch.sin(y) - torch.abs(x)": "out = tl.sin(y) - tl.abs(x)",
    "torch.sqrt(torch.abs(y)) * x": "out = tl.sqrt(tl.abs(y)) * x",
    "torch.maximum(torch.exp(y), x)": "out = tl.maximum(tl.exp(y), x)",
    "torch.where(x > 0, x, y * 3.0)": "out = tl.where(x > 0, x, y * 3.0)",
}

Primitives = dict[str, str]
"""PyTorch -> Triton, as formats of the argument."""

# The same function under another prefix.
RENAMED: Primitives = {
    "torch.exp({})": "tl.exp({})",
    "torch.sigmoid({})": "tl.sigmoid({})",
    "torch.abs({})": "tl.abs({})",
    "torch.sin({})": "tl.sin({})",
    "torch.cos({})": "tl.cos({})",
    "torch.floor({})": "tl.floor({})",
    "torch.log(torch.abs({}))": "tl.log(tl.abs({}))",
    "torch.sqrt(torch.abs({}))": "tl.sqrt(tl.abs({}))",
}
# Triton has no such function, and it must be written out.
WRITTEN_OUT: Primitives = {
    "torch.relu({})": "tl.maximum({}, 0.0)",
    "torch.neg({})": "-({})",
    "torch.reciprocal({})": "1.0 / ({})",
}
# The same, with the argument more than once.
REPEATING: Primitives = {
    "torch.square({0})": "({0} * {0})",
    "F.silu({0})": "({0} * tl.sigmoid({0}))",
}
EXTREMES = {
    "torch.maximum({}, {})": "tl.maximum({}, {})",
    "torch.minimum({}, {})": "tl.minimum({}, {})",
}
ARGUMENTS = ("x", "y"), ("y", "x")
OPERATORS = "+", "-", "*"
CONSTANTS = "0.5", "2.0", "3.0"

Operation = tuple[str, str]
"""(PyTorch expression, body of its kernel)."""


def followed_by(rest: str, primitives: Primitives) -> Iterator[Operation]:
    """`f(a)`, and then `rest` with `{b}`, `{op}` and `{c}` filled in."""
    choices = product(primitives.items(), ARGUMENTS, OPERATORS, CONSTANTS)
    for (torch, triton), (a, b), op, c in choices:
        tail = rest.format(b=b, op=op, c=c)
        yield f"{torch.format(a)} {tail}", f"out = {triton.format(a)} {tail}"


def of_two_arguments(primitives: Primitives) -> Iterator[Operation]:
    choices = product(primitives.items(), ARGUMENTS, OPERATORS, OPERATORS, CONSTANTS)
    for (torch, triton), (a, b), inner, outer, c in choices:
        argument, tail = f"{a} {inner} {b}", f"{outer} {c}"
        yield f"{torch.format(argument)} {tail}", f"out = {triton.format(argument)} {tail}"


def two_functions(first: Primitives, second: Primitives) -> Iterator[Operation]:
    short = {torch: triton for torch, triton in second.items() if "(torch" not in torch}
    for (f, f_body), (g, g_body), (a, b), op in product(
        first.items(), short.items(), ARGUMENTS, OPERATORS
    ):
        yield (
            f"{f.format(a)} {op} {g.format(b)}",
            f"out = {f_body.format(a)} {op} {g_body.format(b)}",
        )


def extremes(primitives: Primitives) -> Iterator[Operation]:
    for (m, m_body), (f, f_body), (a, b) in product(
        EXTREMES.items(), primitives.items(), ARGUMENTS
    ):
        yield m.format(f.format(a), b), f"out = {m_body.format(f_body.format(a), b)}"


def choices_between() -> Iterator[Operation]:
    for (a, b), limit, op, c in product(ARGUMENTS, ("0", "1", "y"), OPERATORS, CONSTANTS):
        if a != limit:
            arguments = f"{a} > {limit}, {a}, {b} {op} {c}"
            yield f"torch.where({arguments})", f"out = tl.where({arguments})"


def forms() -> Iterator[Iterator[Operation]]:
    for primitives in (RENAMED, WRITTEN_OUT | REPEATING):
        yield followed_by("{op} {b}", primitives)
        yield followed_by("* {c} {op} {b}", primitives)
        yield followed_by("{op} {b} * {c}", primitives)
        yield two_functions(primitives, RENAMED)
        yield extremes(primitives)
    yield of_two_arguments(RENAMED)
    yield of_two_arguments(WRITTEN_OUT)
    yield choices_between()


def operations() -> list[Operation]:
    """All that are used beside the labelled ones."""
    return draw(POOL + 2 * HELD_OUT, SEED)


def draw(count: int, seed: int, without: Collection[str] = ()) -> list[Operation]:
    """So many operations, none labelled and no expression of `without` among them.

    The forms take turns, each in random order, until they are used up.

    Raises:
        ValueError: there are not so many.
    """
    rng = random.Random(seed)
    decks = [sorted(set(form)) for form in forms()]
    for deck in decks:
        rng.shuffle(deck)
    drawn: dict[str, str] = {}
    while len(drawn) < count:
        decks = [deck for deck in decks if deck]
        if not decks:
            raise ValueError(f"only {len(drawn)} operations are left, not {count}")
        for deck in decks:
            expression, body = deck.pop()
            if expression not in LABELLED and expression not in without:
                drawn[expression] = body
    rows = list(drawn.items())[:count]
    rng.shuffle(rows)
    return rows


def row(expression: str, completion: str | None = None) -> dict[str, str]:
    result = {
        "prompt": expression,
        "expression": expression,
        "task": TASK.format(expression=expression),
        "template": TEMPLATE,
        "shapes": json.dumps(SHAPES),
    }
    return result if completion is None else {**result, "completion": completion}


def files() -> dict[str, list[dict[str, str]]]:
    names = [expression for expression, _ in operations()]
    return {
        "train.jsonl": [row(*pair) for pair in LABELLED.items()] + [row(n) for n in names[:POOL]],
        "heldout.jsonl": [row(name) for name in names[POOL : POOL + HELD_OUT]],
        "fresh.jsonl": [row(name) for name in names[POOL + HELD_OUT :]],
    }


def main(folder: Path) -> None:
    for name, rows in files().items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
