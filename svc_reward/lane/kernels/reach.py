"""Which parts of a module can run at all: what never runs launches nothing and hides nothing. Pure.

Only what is certain counts as dead. Whether a caught failure is hidden, or a condition is never met by
a task's inputs, is seen when it happens, by behaviour.
"""

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence

from .syntax import ENTRY, assigned

_DYNAMIC = frozenset(["globals", "vars", "locals", "exec", "eval", "modules", "__dict__"])
"""With these, a module's names may change where no assignment to them is seen."""
_SIZES = frozenset(["numel", "dim", "size", "nelement", "element_size"])


def live(tree: ast.Module) -> ast.Module:
    """The module without statements that cannot run; nothing of `tree` is changed."""
    counts = assigned(tree)
    if _DYNAMIC & set(_mentioned(tree)):
        return ast.Module(_statements(tree.body, {}), [])
    constants: dict[str, object] = {} if counts["__name__"] else {"__name__": "candidate"}
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value))
            ) if counts[name] == 1:
                constants[name] = value
            case _:
                pass
    return ast.Module(_statements(tree.body, constants), [])


def reachable(tree: ast.Module) -> set[str]:
    """Names that code mentions which runs when the model is made, called, or its module loaded."""
    functions: dict[str, list[ast.AST]] = {}
    pending: list[ast.AST] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions.setdefault(node.name, []).append(node)
            pending += node.decorator_list
        elif isinstance(node, ast.ClassDef):
            _add_class(node, functions)
        else:
            pending.append(node)
    names: set[str] = set()
    fresh = {ENTRY}
    while pending or fresh:
        names |= fresh
        for name in fresh:
            pending += functions.pop(name, [])
        fresh = {name for part in pending for name in _mentioned(part)} - names
        pending = []
    return names


def _add_class(node: ast.ClassDef, functions: dict[str, list[ast.AST]]) -> None:
    """A class runs its body and special methods once it is mentioned; others when they are."""
    always: list[ast.AST] = [*node.bases, *node.decorator_list]
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and not _is_special(part.name):
            functions.setdefault(part.name, []).append(part)
        else:
            always.append(part)
    functions.setdefault(node.name, []).extend(always)


def _is_special(name: str) -> bool:
    return name == "forward" or (name.startswith("__") and name.endswith("__"))


def _mentioned(part: ast.AST) -> Iterator[str]:
    """Names, attributes and texts: any of them may name a function."""
    for node in ast.walk(part):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _statements(body: Sequence[ast.stmt], constants: Mapping[str, object]) -> list[ast.stmt]:
    """The statements of a block that can run, up to the one that leaves it."""
    kept: list[ast.stmt] = []
    for node in body:
        known = _truth(node.test, constants) if isinstance(node, ast.If | ast.While) else None
        if isinstance(node, ast.If | ast.While) and known is False:
            kept += _statements(node.orelse, constants)
        elif isinstance(node, ast.If) and known:
            kept += _statements(node.body, constants)
        else:
            kept.append(_pruned(node, constants))
        if kept and isinstance(kept[-1], ast.Return | ast.Raise | ast.Break | ast.Continue):
            break
    return kept


def _pruned(node: ast.stmt, constants: Mapping[str, object]) -> ast.stmt:
    """A statement whose blocks hold only what can run."""
    blocks = ("body", "orelse", "finalbody")
    parts = {name: getattr(node, name, None) for name in blocks}
    if not any(isinstance(part, list) for part in parts.values()):
        return node
    pruned = copy.copy(node)
    for name, part in parts.items():
        if isinstance(part, list):
            setattr(pruned, name, _statements(part, constants))
    return pruned


def _truth(  # noqa: PLR0911 - one for each kind of condition
    test: ast.expr, constants: Mapping[str, object]
) -> bool | None:
    """What a condition always is; None if that is not certain."""
    match test:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Name(id=name) if name in constants:
            return bool(constants[name])
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            known = _truth(operand, constants)
            return None if known is None else not known
        case ast.BoolOp(op=op, values=values):
            decisive = isinstance(op, ast.Or)
            found = [_truth(value, constants) for value in values]
            if decisive in found:
                return decisive
            return None if None in found else not decisive
        case ast.Compare(left=left, ops=[ast.Lt()], comparators=[ast.Constant(value=0)]):
            return False if _is_size(left) else None
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as op], comparators=[right]):
            sides = [_value(side, constants) for side in (left, right)]
            if None in sides:
                return None
            return (sides[0] == sides[1]) is isinstance(op, ast.Eq)
    return None


def _value(node: ast.expr, constants: Mapping[str, object]) -> object:
    if isinstance(node, ast.Constant):
        return node.value
    return constants.get(node.id) if isinstance(node, ast.Name) else None


def _is_size(node: ast.expr) -> bool:
    """Whether a value counts something, so that it is not negative."""
    match node:
        case ast.Call(func=ast.Name(id="len")):
            return True
        case ast.Call(func=ast.Attribute(attr=attr)):
            return attr in _SIZES
    return False
