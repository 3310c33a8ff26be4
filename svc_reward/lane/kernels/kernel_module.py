"""Takes from a module what the compiler may execute: kernels, constants, Triton's imports.

The compiler's process loads this text. So nothing in it calls anything, but for what makes kernels
and constants of Triton.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from .reports import Launch
from .syntax import kernels

ROOTS = {"triton", "math", "__future__"}
"""Packages whose import has no effect that matters."""
_LITERAL_NODES = (
    ast.Constant | ast.Name | ast.Attribute | ast.BinOp | ast.UnaryOp | ast.Tuple | ast.List
    | ast.operator | ast.unaryop | ast.expr_context
)  # fmt: skip


class Kernels(NamedTuple):
    """The part of a candidate that the compiler gets.

    Attributes:
        source: a module of kernels and constants only.
        guesses: launches that the text suggests, for when none was seen.
    """

    source: str
    guesses: tuple[Launch, ...] = ()


def extract(source: str, tree: ast.Module) -> Kernels:
    """The kernels of a module, on the lines where they were.

    Args:
        source: the module.
        tree: of it.
    """
    jitted = kernels(tree)
    original = source.split("\n")
    lines = [""] * (len(original) + 1)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in jitted:
            if _is_plain(node):
                _place(node, original, lines)
        elif text := "; ".join(_kept(node)):
            index = node.lineno - 1
            lines[index] = f"{lines[index]}; {text}" if lines[index] else text
    # A decorator's own line may lie behind the import of what it names, so it names nothing else.
    return Kernels("\n".join(lines))


def _place(node: ast.FunctionDef, original: list[str], lines: list[str]) -> None:
    """Copy a kernel; of its decorators, only the one that compiles it is left."""
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    lines[first:last] = original[first:last]
    lines[first - 1] = "@__import__('triton').jit"


def _is_plain(node: ast.FunctionDef) -> bool:
    """Whether defining it computes nothing: its defaults and annotations are literals or names."""
    arguments = node.args
    parts = [*arguments.defaults, *(value for value in arguments.kw_defaults if value is not None)]
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parts += [argument.annotation for argument in every if argument.annotation is not None]
    return node.decorator_list[0].lineno < node.lineno and all(map(_is_literal, parts))


def _is_literal(value: ast.AST) -> bool:
    return all(isinstance(node, _LITERAL_NODES) for node in ast.walk(value))


def _kept(node: ast.stmt) -> Iterator[str]:
    """An import or a constant, as one line."""
    match node:
        case ast.Import(names=names):
            kept = [alias for alias in names if alias.name.partition(".")[0] in ROOTS]
            if kept:
                yield ast.unparse(ast.Import(kept))
        case ast.ImportFrom(module=str(module), level=0) if module.partition(".")[0] in ROOTS:
            yield ast.unparse(node)
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value)
            | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
        ):
            if _is_constant(value):
                yield f"{name} = {ast.unparse(value)}"
        case _:
            pass


def _is_constant(value: ast.expr) -> bool:
    """A number, a text, a type of Triton's, also as `tl.constexpr`; powers may take for ever."""
    match value:
        case ast.Call(func=ast.Attribute(attr="constexpr"), args=[inner], keywords=[]):
            return _is_constant(inner)
        case ast.Name():
            return False
    nodes = list(ast.walk(value))
    return _is_literal(value) and not any(isinstance(node, ast.Pow | ast.LShift) for node in nodes)
