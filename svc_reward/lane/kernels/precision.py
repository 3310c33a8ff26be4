"""Products in half precision or TF32, where the task is in single precision. Pure.

TF32 counts where the text asks for it: the interpreter's products are exact, so no answer would show
it. Where `tl.dot` is given no precision, what it does is the GPU's matter, and so are the answers. A task
that is in half precision, or allows TF32 itself, allows both.
"""

import ast
import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .flags import Flag
from .syntax import Found

_HALF = frozenset(["float16", "bfloat16"])


class _Assignment(NamedTuple):
    name: str
    value: ast.expr
    certain: bool


def check(tree: ast.Module) -> Iterator[Found]:
    """Find products that are asked for in less than single precision."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and not _compensates(node):
            yield from _products(node)


def _products(function: ast.FunctionDef) -> Iterator[Found]:
    assignments: dict[str, list[_Assignment]] = {}
    for item in _assignments(function.body, certain=True):
        assignments.setdefault(item.name, []).append(item)
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr="dot"), args=args, keywords=keywords):
                if any(map(_is_tf32, keywords)):
                    yield Found(Flag.PRECISION_DOWNGRADE, node, "multiplies in TF32")
                if any(_is_half(argument, assignments) for argument in args[:2]):
                    yield Found(Flag.PRECISION_DOWNGRADE, node, "multiplies in half precision")
            case _:
                pass


def _is_tf32(keyword: ast.keyword) -> bool:
    match keyword:
        case ast.keyword(arg="input_precision", value=ast.Constant(value="tf32")):
            return True
        case ast.keyword(arg="allow_tf32", value=ast.Constant(value=True)):
            return True
    return False


def _is_half(node: ast.expr, assignments: Mapping[str, Sequence[_Assignment]]) -> bool:
    """Whether a value is a cast, or a name whose last assignment before it was one for certain."""
    if not isinstance(node, ast.Name):
        return _is_cast(node)
    earlier = assignments.get(node.id, ())
    index = bisect.bisect_left(earlier, node.lineno, key=lambda item: item.value.lineno)
    return index > 0 and earlier[index - 1].certain and _is_cast(earlier[index - 1].value)


def _assignments(body: Sequence[ast.stmt], *, certain: bool) -> Iterator[_Assignment]:
    """Assignments in the order of the text; those under a condition are not certain."""
    for node in body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield _Assignment(name, value, certain)
            case ast.AugAssign(target=ast.Name(id=name), value=value):
                yield _Assignment(name, value, certain=False)
            case ast.For(body=inner) | ast.While(body=inner):
                yield from _assignments(inner, certain=certain)
            case ast.If(body=inner, orelse=other):
                yield from _assignments([*inner, *other], certain=False)
            case _:
                for part in ast.walk(node):
                    if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                        yield _Assignment(part.id, part, certain=False)


def _compensates(function: ast.FunctionDef) -> bool:
    """Whether what a cast loses is computed, as in products of split numbers: precise, if in halves."""
    assignments = _assignments(function.body, certain=True)
    casts = {item.name for item in assignments if _is_cast(item.value)}
    return any(
        _is_cast(part) or (isinstance(part, ast.Name) and part.id in casts)
        for node in ast.walk(function)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub)
        for part in ast.walk(node)
    )


def _is_cast(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="to" | "cast"), args=[*_, ast.Attribute(attr=name)]):
            return name in _HALF
        case ast.Call(func=ast.Attribute(attr="half" | "bfloat16"), args=[]):
            return True
    return False
