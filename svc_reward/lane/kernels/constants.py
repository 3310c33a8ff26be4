"""Values of a module's constants, computed without running it: literals and arithmetic. Pure.

What comes out is short text, whatever went in: powers and repetitions that would take for ever are not
computed.
"""

import ast
import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .syntax import dotted

LARGEST = 1 << 128
"""Bound of integers; more than any type of Triton's holds."""
LONGEST = 256
"""Bound of texts and tuples."""
_OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "float": float,
    "int": int,
    "bool": bool,
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
    "triton.cdiv": lambda a, b: -(-a // b),
    "triton.next_power_of_2": lambda n: 1 << (n - 1).bit_length(),
    **{
        f"math.{name}": getattr(math, name)
        for name in "sqrt exp log log2 log10 ceil floor sin cos tanh erf pow".split()  # noqa: SIM905
    },
}


class Constant(NamedTuple):
    """What a name stands for.

    Attributes:
        text: an expression.
        value: its value; None if it is something of Triton's, as a type.
        wrapped: it is a `tl.constexpr`.
    """

    text: str
    value: Any = None
    wrapped: bool = False


def of(node: ast.expr, known: Mapping[str, Constant], bound: Mapping[str, str]) -> Constant | None:
    """The constant that an expression is; None if it cannot be known.

    Args:
        node: the expression.
        known: constants that were defined before.
        bound: names of imports, and the full names behind them.
    """
    try:
        return _of(node, known, dict(bound))
    except (ArithmeticError, TypeError, ValueError, RecursionError):
        return None


def _of(  # noqa: PLR0911 - one for each kind of expression
    node: ast.expr, known: Mapping[str, Constant], bound: dict[str, str]
) -> Constant | None:
    match node:
        case ast.Constant(value=value):
            return _made([], value)
        case ast.Name(id=name) if name in known:
            return known[name]
        case ast.Name() | ast.Attribute():
            return _reference(node, bound)
        case ast.Tuple(elts=elements):
            parts = [_of(element, known, bound) for element in elements]
            return _tuple(parts)
        case ast.UnaryOp(op=op, operand=operand):
            return _computed(_OPERATORS[type(op)], [_of(operand, known, bound)])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            sides = [_of(side, known, bound) for side in (left, right)]
            return _computed(_OPERATORS[type(op)], sides)
        case ast.Call(func=function, args=arguments, keywords=[]):
            parts = [_of(argument, known, bound) for argument in arguments]
            return _called(function, parts, known, bound)
    return None


def _reference(node: ast.Name | ast.Attribute, bound: dict[str, str]) -> Constant | None:
    """Something of what is imported."""
    full = dotted(node, bound)
    root, _, name = full.partition(".")
    if root == "math" and isinstance(getattr(math, name, None), float):
        return _made([], getattr(math, name))
    return Constant(ast.unparse(node)) if root == "triton" else None


def _called(
    function: ast.expr,
    arguments: list[Constant | None],
    known: Mapping[str, Constant],
    bound: dict[str, str],
) -> Constant | None:
    full = dotted(function, bound)
    if full.endswith(".constexpr") and len(arguments) == 1 and arguments[0] is not None:
        inner = arguments[0]
        text = (
            inner.text
            if inner.wrapped
            else f"__import__('triton').language.constexpr({inner.text})"
        )
        return Constant(text, inner.value, wrapped=True)
    if isinstance(function, ast.Name) and function.id not in known and not full:
        full = function.id
    return _computed(_FUNCTIONS[full], arguments) if full in _FUNCTIONS else None


def _computed(function: Callable[..., Any], operands: list[Constant | None]) -> Constant | None:
    values: list[Any] = []
    for operand in operands:
        value = operand.value if operand is not None else None
        if not isinstance(value, int | float) and not (function is float and _is_number(value)):
            return None
        values.append(value)
    if function in {operator.pow, operator.lshift} and max(map(abs, values)) > LONGEST:
        return None
    return _made(operands, function(*values))


def _is_number(value: object) -> bool:
    """Whether a text is one that `float` is asked for: an infinity, mostly."""
    return isinstance(value, str) and len(value) < 32


def _tuple(parts: list[Constant | None]) -> Constant | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    text = "".join(f"{part.text}, " for part in known)
    return Constant(f"({text})") if len(text) <= LONGEST else None


def _made(operands: list[Constant | None], value: object) -> Constant | None:
    """A constant of a computed value."""
    wrapped = any(operand is not None and operand.wrapped for operand in operands)
    if isinstance(value, float) and not math.isfinite(value):
        text = f"__import__('builtins').float('{value}')"
    elif (isinstance(value, int) and abs(value) >= LARGEST) or (
        isinstance(value, str) and len(value) > LONGEST
    ):
        return None
    elif isinstance(value, bool | int | float | str) or value is None:
        text = repr(value)
    else:
        return None
    if wrapped:
        text = f"__import__('triton').language.constexpr({text})"
    return Constant(text, value, wrapped)
