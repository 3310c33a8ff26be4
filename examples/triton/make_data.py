"""Write the rows of this example: `python examples/triton/make_data.py [FOLDER]`.

Each operation is a composition of the primitives below, so its kernel is known. The model is shown
twelve kernels; beyond these it sees expressions only. The operations of `heldout.jsonl` and
`fresh.jsonl` never occur in `train.jsonl`, but each of their primitives does.
"""

import json
import random
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

PROMPT = "PyTorch: out = {expression}\nTriton:"
SEED = 7
POOL, HELD_OUT = 72, 24

LABELLED = {
    "torch.relu(x) + y": "out = tl.maximum(x, 0.0) + y",
    "torch.relu(y * x) * 0.5": "out = tl.maximum(y * x, 0.0) * 0.5",
    "torch.square(x) + torch.abs(y)": "out = x * x + tl.abs(y)",
    "torch.square(y) * 0.5 - x": "out = y * y * 0.5 - x",
    "F.silu(x) - y * 2.0": "out = x * tl.sigmoid(x) - y * 2.0",
    "torch.sigmoid(y) * 3.0 + x": "out = tl.sigmoid(y) * 3.0 + x",
    "torch.exp(x - y) * 2.0": "out = tl.exp(x - y) * 2.0",
    "torch.abs(y) - torch.sin(x)": "out = tl.abs(y) - tl.sin(x)",
    "torch.sqrt(torch.abs(y)) * x": "out = tl.sqrt(tl.abs(y)) * x",
    "torch.sin(y + x) - 1.0": "out = tl.sin(y + x) - 1.0",
    "torch.maximum(torch.exp(y), x)": "out = tl.maximum(tl.exp(y), x)",
    "torch.where(x > 0, x, y * 3.0)": "out = tl.where(x > 0, x, y * 3.0)",
}

# PyTorch → Triton. The first kind takes any argument, the second repeats its argument.
UNARY = {
    "torch.relu({})": "tl.maximum({}, 0.0)",
    "torch.exp({})": "tl.exp({})",
    "torch.sigmoid({})": "tl.sigmoid({})",
    "torch.abs({})": "tl.abs({})",
    "torch.sin({})": "tl.sin({})",
    "torch.cos({})": "tl.cos({})",
    "torch.floor({})": "tl.floor({})",
    "torch.neg({})": "-({})",
    "torch.log(torch.abs({}))": "tl.log(tl.abs({}))",
    "torch.sqrt(torch.abs({}))": "tl.sqrt(tl.abs({}))",
}
REPEATING = {
    "torch.square({0})": "({0} * {0})",
    "F.silu({0})": "({0} * tl.sigmoid({0}))",
}
BINARY = {
    "torch.maximum({}, {})": "tl.maximum({}, {})",
    "torch.minimum({}, {})": "tl.minimum({}, {})",
}
ARGUMENTS = ("x", "y"), ("y", "x")
OPERATORS = "+", "-", "*"
CONSTANTS = "0.5", "2.0", "3.0"

Operation = tuple[str, str]
"""(PyTorch expression, body of its kernel)."""


def functions_then(rest: str) -> Iterator[Operation]:
    """`f(a)` followed by `rest`, in which `{b}`, `{op}` and `{c}` stand."""
    choices = product({**UNARY, **REPEATING}.items(), ARGUMENTS, OPERATORS, CONSTANTS)
    for (torch, triton), (a, b), op, c in choices:
        tail = rest.format(b=b, op=op, c=c)
        yield f"{torch.format(a)} {tail}", f"out = {triton.format(a)} {tail}"


def of_a_sum_or_product() -> Iterator[Operation]:
    choices = product(UNARY.items(), ARGUMENTS, OPERATORS, OPERATORS, CONSTANTS)
    for (torch, triton), (a, b), inner, outer, c in choices:
        argument, tail = f"{a} {inner} {b}", f"{outer} {c}"
        yield f"{torch.format(argument)} {tail}", f"out = {triton.format(argument)} {tail}"


def two_functions() -> Iterator[Operation]:
    short = {torch: triton for torch, triton in UNARY.items() if "(torch" not in torch}
    pairs = product((short | REPEATING).items(), short.items(), ARGUMENTS, OPERATORS)
    for (torch, triton), (torch_2, triton_2), (a, b), op in pairs:
        if torch != torch_2:
            yield (
                f"{torch.format(a)} {op} {torch_2.format(b)}",
                f"out = {triton.format(a)} {op} {triton_2.format(b)}",
            )


def extremes() -> Iterator[Operation]:
    for (torch, triton), (a, b), op, c in product(BINARY.items(), ARGUMENTS, OPERATORS, CONSTANTS):
        yield f"{torch.format(a, b)} {op} {c}", f"out = {triton.format(a, b)} {op} {c}"
    for (torch, triton), (torch_2, triton_2), (a, b) in product(
        BINARY.items(), UNARY.items(), ARGUMENTS
    ):
        if "(torch" not in torch_2:
            yield (
                torch.format(torch_2.format(a), b),
                f"out = {triton.format(triton_2.format(a), b)}",
            )


def choices() -> Iterator[Operation]:
    for (a, b), limit, op, c in product(ARGUMENTS, ("0", "1", "y"), OPERATORS, CONSTANTS):
        if a != limit:
            arguments = f"{a} > {limit}, {a}, {b} {op} {c}"
            yield f"torch.where({arguments})", f"out = tl.where({arguments})"


FORMS = (
    lambda: functions_then("{op} {b}"),
    lambda: functions_then("* {c} {op} {b}"),
    lambda: functions_then("{op} {b} * {c}"),
    of_a_sum_or_product,
    two_functions,
    extremes,
    choices,
)


def operations() -> list[Operation]:
    """All that are used, without the labelled ones: the forms take turns, each in random order."""
    rng = random.Random(SEED)
    decks = [sorted(set(form())) for form in FORMS]
    for deck in decks:
        rng.shuffle(deck)
    drawn: dict[str, str] = {}
    while len(drawn) < POOL + 2 * HELD_OUT:
        for deck in decks:
            expression, body = deck.pop()
            if expression not in LABELLED:
                drawn[expression] = body
    rows = list(drawn.items())[: POOL + 2 * HELD_OUT]
    rng.shuffle(rows)
    return rows


def row(expression: str, completion: str | None = None) -> dict[str, str]:
    result = {"prompt": PROMPT.format(expression=expression), "expression": expression}
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
