"""Takes from a module what the compiler may execute: kernels, constants, Triton's imports.

The compiler's process loads this text. So nothing in it calls anything, but for what makes kernels
and constants of Triton.
"""

import ast
from typing import NamedTuple

from . import constants
from .constants import Constant
from .reports import Launch
from .syntax import jitted_by_call, kernels, modules

ROOTS = frozenset(["triton", "math", "__future__"])
"""Packages whose import has no effect that matters."""
_JIT = "__import__('triton').jit"
"""A decorator's line may lie before the import of what it names, so it names nothing."""
_PLAIN = (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.unaryop, ast.expr_context)


class Kernels(NamedTuple):
    """The part of a candidate that the compiler gets.

    Attributes:
        source: a module of kernels and constants only.
        guesses: launches that the text suggests, for when none was seen. None are suggested by
            `extract`: the types of a launch's arguments are known when it happens, and a kernel
            compiled for others would prove nothing.
    """

    source: str
    guesses: tuple[Launch, ...] = ()


def extract(source: str, tree: ast.Module) -> Kernels:
    """The kernels of a module, on the lines where they were.

    Args:
        source: the module.
        tree: of it.
    """
    return Kernels(_Extraction(source, tree).text())


class _Extraction:
    """What is kept of a module, statement by statement."""

    def __init__(self, source: str, tree: ast.Module) -> None:
        self._tree = tree
        self._original = source.split("\n")
        self._lines = [""] * len(self._original)
        self._kernels = kernels(tree)
        self._made = jitted_by_call(tree, modules(tree))
        self._bound: dict[str, str] = {}
        self._known: dict[str, Constant] = {}

    def text(self) -> str:
        for node in self._tree.body:
            match node:
                case ast.Import() | ast.ImportFrom():
                    self._import(node)
                case ast.FunctionDef(name=name) if self._kernels.get(name) is node:
                    self._kernel(node)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call()) if (
                    name in self._made
                ):
                    function = self._made[name]
                    if self._kernels.get(function) is not None and self._is_placed(function):
                        self._put(node.lineno, f"{name} = {function} = {_JIT}({function})")
                case (
                    ast.Assign(targets=[ast.Name(id=name)], value=value)
                    | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
                ):
                    self._constant(name, value, node.lineno)
                case _:
                    pass
        return "\n".join([*self._lines, ""])

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        kept: ast.Import | ast.ImportFrom = node
        if isinstance(node, ast.Import):
            names = [alias for alias in node.names if alias.name.partition(".")[0] in ROOTS]
            kept = ast.Import(names)
        elif node.level or (node.module or "").partition(".")[0] not in ROOTS:
            return
        if kept.names:
            self._put(node.lineno, ast.unparse(kept))
            self._bound |= modules(ast.Module([kept], []))

    def _constant(self, name: str, value: ast.expr, line: int) -> None:
        self._known.pop(name, None)
        if constant := constants.of(value, self._known, self._bound):
            self._known[name] = constant
            self._put(line, f"{name} = {constant.text}")

    def _kernel(self, node: ast.FunctionDef) -> None:
        """Copy a kernel; of its decorators, only the one that compiles it is left."""
        names = self._known.keys() | self._bound.keys()
        if not all(_is_known(value, names) for value in _defaults(node)):
            return
        first, last = node.lineno - 1, node.end_lineno or node.lineno
        if node.decorator_list:
            if node.decorator_list[0].lineno == node.lineno:
                return
            self._lines[first - 1] = f"@{_JIT}"
        self._lines[first:last] = self._original[first:last]
        for hint in _hints(node):
            if not _is_known(hint, names):
                self._blank(hint)

    def _blank(self, hint: ast.expr) -> None:
        """Replace a type hint by one that says nothing, which Triton takes as none."""
        for number in range(hint.lineno, (hint.end_lineno or hint.lineno) + 1):
            line = self._lines[number - 1].encode()
            start = hint.col_offset if number == hint.lineno else 0
            end = (hint.end_col_offset or 0) if number == hint.end_lineno else len(line)
            text = b"0" if number == hint.lineno else b""
            blank = text.ljust(end - start)
            self._lines[number - 1] = (line[:start] + blank + line[end:]).decode()

    def _is_placed(self, function: str) -> bool:
        line = self._kernels[function].lineno - 1
        return self._lines[line] == self._original[line]

    def _put(self, number: int, text: str) -> None:
        line = self._lines[number - 1]
        self._lines[number - 1] = f"{line}; {text}" if line else text


def _defaults(node: ast.FunctionDef) -> list[ast.expr]:
    return [*node.args.defaults, *(value for value in node.args.kw_defaults if value is not None)]


def _hints(node: ast.FunctionDef) -> list[ast.expr]:
    arguments = [part for part in ast.walk(node.args) if isinstance(part, ast.arg)]
    hints = [argument.annotation for argument in arguments if argument.annotation is not None]
    return [*hints, *([node.returns] if node.returns is not None else [])]


def _is_known(value: ast.expr, names: set[str]) -> bool:
    """Whether evaluating something computes nothing, and needs nothing that is not kept."""
    return all(
        isinstance(part, _PLAIN) and (not isinstance(part, ast.Name) or part.id in names)
        for part in ast.walk(value)
    )
