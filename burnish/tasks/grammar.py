"""The grammar of generated tasks: lines that compute `h` from the inputs, by level of difficulty.

Every production keeps values finite and varied for inputs of any sign: none maps all of them to one
value, and none that only makes negative values is followed by one that cuts them off.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

ROWS, COLUMNS, INNER = "rows", "columns", "inner"
MATRIX = "torch.randn(rows, columns)"

UNARY = (
    "torch.relu(h)", "torch.sigmoid(h)", "torch.tanh(h)", "torch.abs(h)", "F.silu(h)", "F.gelu(h)",
    "F.leaky_relu(h, {slope})", "F.elu(h)", "F.softplus(h)", "torch.sin(h)", "torch.cos(h)",
    "torch.exp(-torch.abs(h))", "torch.sqrt(torch.abs(h) + 1.0)", "h * {scale} + {shift}",
    "h / (1.0 + torch.abs(h))", "torch.log(torch.abs(h) + 1.0)", "h * torch.sigmoid({scale} * h)",
)  # fmt: skip
SMOOTH = ("h * {scale} + {shift}", "torch.tanh(h)", "torch.sin(h)", "h / (1.0 + torch.abs(h))")
"""Also sane after values of one sign only."""
UNBOUNDED = (
    "torch.relu(h)", "torch.abs(h)", "F.silu(h)", "F.leaky_relu(h, {slope})", "F.softplus(h)",
    "h * {scale} + {shift}", "h * torch.sigmoid({scale} * h)",
)  # fmt: skip
"""Before a reduction: the largest of many values near a bound is always that bound."""
UNSATURATED = ("h * {scale} + {shift}", "torch.sin(h)")
"""After one: its results are large, or far from zero."""
BINARY = (
    "h + {other}", "h * {other}", "h - {other}", "torch.maximum(h, {other})",
    "torch.minimum(h, {other})", "h + {scale} * {other}", "h * torch.sigmoid({other})",
)  # fmt: skip
MASKED = (
    "torch.where({other} > {shift}, h, {scale} * h)", "torch.where(h > {other}, h, {other})",
    "torch.clamp(h, -{scale}, {scale})", "torch.tril(h)", "torch.triu(h, 1)",
    "h.masked_fill({other} < 0, {shift})",
)  # fmt: skip
REDUCED = (
    "torch.sum(h, dim={dim})", "torch.mean(h, dim={dim})", "torch.amax(h, dim={dim})",
    "torch.amin(3.0 * x - h, dim={dim})", "torch.logsumexp(h, dim={dim})", "torch.linalg.vector_norm(h, dim={dim})",
    "torch.var(h, dim={dim}, unbiased=False)", "torch.sum(h * h, dim={dim}, keepdim=True)",
    "torch.amax(h, dim={dim}) - torch.mean(h, dim={dim})", "torch.cumsum(h, dim={dim})",
)  # fmt: skip
NORMED = (
    "torch.softmax(h, dim=-1) * columns", "torch.log_softmax(h, dim=-1)",
    "(h - h.mean(-1, keepdim=True)) * torch.rsqrt(h.var(-1, keepdim=True, unbiased=False) + 1e-5)",
    "h * torch.rsqrt((h * h).mean(-1, keepdim=True) + 1e-5)", "F.normalize(h, dim=-1) * {scale}",
    "h / (torch.sum(torch.abs(h), dim=-1, keepdim=True) + 1.0) * columns",
    "h - torch.logsumexp(h, dim=-1, keepdim=True)", "torch.softmax(h * {scale}, dim=-1) * h * columns",
)  # fmt: skip

_SCALES = ("0.5", "0.75", "1.25", "1.5", "2.0")
_SHIFTS = ("0.1", "0.25", "0.3", "0.5")


@dataclass(frozen=True, slots=True)
class Sketch:
    """A task's computation.

    Attributes:
        lines: expressions, each of the `h` before it; the first is of the inputs.
        inputs: name and expression that draws it, in order.
        about: what it does, for people.
    """

    lines: tuple[str, ...]
    inputs: tuple[tuple[str, str], ...]
    about: str


def elementwise(rng: Random) -> Sketch:
    """Level 1: a chain of elementwise functions, sometimes with a second input."""
    lines = ["x", *_chain(rng, UNARY, rng.randint(1, 3))]
    inputs = [("x", MATRIX)]
    if rng.random() < 0.6:
        lines.insert(rng.randint(1, len(lines)), _filled(rng, rng.choice(BINARY), "y"))
        inputs.append(("y", MATRIX))
    return Sketch(tuple(lines), tuple(inputs), "elementwise functions")


def masked(rng: Random) -> Sketch:
    """Level 2: masks and inputs that are broadcast along rows or columns."""
    shape = rng.choice(("torch.randn(columns)", "torch.randn(rows, 1)", MATRIX))
    steps = [_filled(rng, rng.choice(BINARY), "y"), _filled(rng, rng.choice(MASKED), "y")]
    lines = ["x", *rng.sample(steps, 2), *_chain(rng, SMOOTH, rng.randint(0, 2))]
    return Sketch(tuple(lines), (("x", MATRIX), ("y", shape)), "masks and broadcasts")


def reduction(rng: Random) -> Sketch:
    """Level 3: elementwise functions and a reduction along one dimension."""
    lines = ["x", *_chain(rng, UNBOUNDED, rng.randint(0, 2)), _filled(rng, rng.choice(REDUCED))]
    lines += _chain(rng, UNSATURATED, rng.randint(0, 1))
    return Sketch(tuple(lines), (("x", MATRIX),), "a reduction")


def normalisation(rng: Random) -> Sketch:
    """Level 4: a softmax or norm over rows, with something before and after."""
    before = _chain(rng, SMOOTH, rng.randint(0, 1))
    lines = ["x", *before, _filled(rng, rng.choice(NORMED))]
    inputs = [("x", MATRIX)]
    for name in ("weight", "bias")[: rng.randint(0, 2)]:
        lines.append(f"h * {name}" if name == "weight" else f"h + {name}")
        inputs.append((name, "torch.randn(columns)"))
    lines += _chain(rng, UNSATURATED, rng.randint(0, 1))
    return Sketch(tuple(lines), tuple(inputs), "a normalisation")


def matmul(rng: Random) -> Sketch:
    """Level 5: a matrix product with a fused epilogue."""
    product, shapes = rng.choice(
        (
            ("x @ w", ("torch.randn(rows, inner)", "torch.randn(inner, columns)")),
            ("x @ w.T", ("torch.randn(rows, inner)", "torch.randn(columns, inner)")),
            ("x.T @ w", ("torch.randn(inner, rows)", "torch.randn(inner, columns)")),
        )
    )
    lines = [f"({product}) / inner ** 0.5"]
    inputs = list(zip(("x", "w"), shapes, strict=True))
    if rng.random() < 0.7:
        lines.append(rng.choice(("h + b", "h - b", "h * b")))
        inputs.append(("b", "torch.randn(columns)"))
    lines += _chain(rng, UNARY, rng.randint(1, 2))
    if rng.random() < 0.5:
        lines.append(_filled(rng, rng.choice(BINARY), "r"))
        inputs.append(("r", MATRIX))
    if rng.random() < 0.3:
        lines.append("torch.softmax(h, dim=-1) * columns")
    return Sketch(tuple(lines), tuple(inputs), "a matrix product with an epilogue")


PRODUCTIONS: dict[int, Callable[[Random], Sketch]] = {
    1: elementwise, 2: masked, 3: reduction, 4: normalisation, 5: matmul,
}  # fmt: skip
"""By level."""


def _chain(rng: Random, choices: tuple[str, ...], length: int) -> list[str]:
    """Different functions, one after the other."""
    return [_filled(rng, text) for text in rng.sample(choices, length)]


def _filled(rng: Random, text: str, other: str = "") -> str:
    return text.format(
        other=other,
        scale=rng.choice(_SCALES),
        shift=rng.choice(_SHIFTS),
        slope=rng.choice(("0.01", "0.1", "0.2")),
        dim=rng.choice((0, 1)),
    )
