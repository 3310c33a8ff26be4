"""What names in a module refer to, and which of its functions Triton compiles. Pure."""

import ast
from collections import Counter
from typing import NamedTuple

from .flags import Flag

ENTRY = "ModelNew"
DEEPEST = 12
"""Dots in a full name; where there are more, its beginning is an expression of its own."""
_JIT = frozenset(["triton.jit", "triton.runtime.jit", "triton.runtime.jit.jit"])


class Found(NamedTuple):
    """A hack, and where it shows."""

    flag: Flag
    node: ast.AST
    text: str


def modules(tree: ast.Module) -> dict[str, str]:
    """Names that stand for what was imported, and the full name behind each."""
    bound: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.partition(".")[0]
                bound[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom) and not node.level:
            bound.update(
                {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            )
    return _aliases(tree, bound)


def _aliases(tree: ast.Module, bound: dict[str, str]) -> dict[str, str]:
    """Add names that are assigned once, as in `cuda = torch.cuda`."""
    stores = assigned(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Name() | ast.Attribute()):
                full = dotted(node.value, bound)
                if full and stores[name] == 1 and name not in bound:
                    bound[name] = full
            case _:
                pass
    return bound


def assigned(tree: ast.AST) -> Counter[str]:
    """How often each name is bound, other than by imports and definitions."""
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names[node.id] += 1
        elif isinstance(node, ast.arg):
            names[node.arg] += 1
    return names


def dotted(node: ast.AST, bound: dict[str, str]) -> str:
    """The full name of what an expression refers to, if an import is behind it; else ""."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < DEEPEST:
        parts.append(node.attr)
        node = node.value
    root = bound.get(node.id, "") if isinstance(node, ast.Name) else ""
    return ".".join([root, *reversed(parts)]) if root else ""


def is_jit(decorator: ast.expr, bound: dict[str, str]) -> bool:
    """Whether a decorator, or the function that a call names, is `triton.jit`."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return dotted(function, bound) in _JIT


def kernels(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Functions at the top level that Triton compiles, by decorator or by `triton.jit(function)`."""
    bound = modules(tree)
    called = set(jitted_by_call(tree, bound).values())
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and (node.name in called or any(is_jit(item, bound) for item in node.decorator_list))
    }


def jitted_by_call(tree: ast.Module, bound: dict[str, str]) -> dict[str, str]:
    """Names at the top level that `name = triton.jit(function)` makes, and the function's name."""
    made: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(args=[ast.Name(id=function)], keywords=[]) as call,
            ) if is_jit(call, bound):
                made[name] = function
            case _:
                pass
    return made


def annotations(tree: ast.AST) -> set[ast.AST]:
    """Every node that is part of a type hint."""
    hints: list[ast.expr | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.arg | ast.AnnAssign):
            hints.append(node.annotation)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            hints.append(node.returns)
    return {part for hint in hints if hint is not None for part in ast.walk(hint)}
