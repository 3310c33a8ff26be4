"""Arithmetic over named scores, such as `0.5 * a + min(b, 1)`: read once, never `eval`uated."""

import ast
import math
import operator
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Self

from burnish.errors import UserError
from burnish.explain import nearest

MAX_CHARACTERS = 2000
MAX_NODES = 300

FUNCTIONS: Mapping[str, Callable[..., float]] = {
    "min": min,
    "max": max,
    "abs": abs,
    "floor": math.floor,
    "ceil": math.ceil,
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}
_VARIADIC = frozenset({"min", "max"})
_BINARY: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,
}
_UNARY: Mapping[type[ast.unaryop], Callable[[float], float]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
_ACCEPTED = f"numbers, names, + - * / ^ ** and {', '.join(FUNCTIONS)}"


@dataclass(frozen=True, slots=True)
class Formula:
    """Use `parse`: what it lets through, `value` can compute."""

    text: str
    names: frozenset[str]
    _tree: ast.expr

    @classmethod
    def parse(cls, text: str, names: Collection[str]) -> Self:
        """Read a formula over `names`; `^` is power, as `**`.

        Raises:
            UserError: it is too long, is no arithmetic, or uses another name.
        """
        if len(text) > MAX_CHARACTERS:
            raise UserError(f"is longer than {MAX_CHARACTERS} characters")
        try:
            tree = ast.parse(text.strip().replace("^", "**"), mode="eval").body
        except SyntaxError as error:
            raise UserError(f"is no formula: {error.msg}", hint=_ACCEPTED) from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise UserError(f"is no formula: {error}", hint=_ACCEPTED) from None
        if sum(1 for _ in ast.walk(tree)) > MAX_NODES:
            raise UserError(f"has more than {MAX_NODES} terms and operators")
        used: set[str] = set()
        _check(tree, names, used)
        return cls(text, frozenset(used), tree)

    def value(self, scores: Mapping[str, float]) -> float:
        """The result for these scores, which hold every name.

        Raises:
            UserError: it has no finite value, such as after a division by zero.
        """
        try:
            result = _value(self._tree, scores)
        except ZeroDivisionError:
            raise UserError(f"`{self.text}` divides by zero for {_shown(scores)}") from None
        except (ValueError, OverflowError):
            raise UserError(f"`{self.text}` has no value for {_shown(scores)}") from None
        if not math.isfinite(result):
            raise UserError(f"`{self.text}` is {result} for {_shown(scores)}")
        return result


def _check(node: ast.expr, names: Collection[str], used: set[str]) -> None:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            if not -1e300 < number < 1e300:
                raise UserError("holds a number that is too large")
        case ast.Name(id=name):
            if name not in names:
                hint = nearest(name, sorted(names), "names")
                raise UserError(f"uses `{name}`, which is not a grader", hint=hint)
            used.add(name)
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _UNARY:
            _check(operand, names, used)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            _check(left, names, used)
            _check(right, names, used)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            if not args or (len(args) > 1 and name not in _VARIADIC):
                raise UserError(f"calls `{name}` with {len(args)} values")
            for argument in args:
                _check(argument, names, used)
        case _:
            raise UserError(f"cannot use `{ast.unparse(node)}`", hint=_ACCEPTED)


def _value(node: ast.expr, scores: Mapping[str, float]) -> float:
    # Floats throughout: neither a power nor a product can grow beyond 8 bytes.
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name):
            return float(scores[name])
        case ast.UnaryOp(op=op, operand=operand):
            return _UNARY[type(op)](_value(operand, scores))
        case ast.BinOp(left=left, op=op, right=right):
            return _BINARY[type(op)](_value(left, scores), _value(right, scores))
        case ast.Call(func=ast.Name(id=name), args=args):
            return float(FUNCTIONS[name](*(_value(argument, scores) for argument in args)))
    raise AssertionError(ast.dump(node))  # `parse` lets nothing else through


def _shown(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g}" for name, value in scores.items())
