"""Kernels that cannot compute anything: nothing is stored, or always the same. Pure.

A task's answer depends on its inputs, or it is refused. So kernels that only ever store constants do not
compute it; one of several may, to initialise what others add to.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

from .flags import Flag
from .syntax import Found

_STORES = ("store", "atomic_", "inline_asm", "extern_")
_CONSTANT_CALLS = frozenset(["zeros", "full", "float", "int", "constexpr", "cast", "to"])
_PLACE_CALLS = frozenset(["program_id", "num_programs", "arange", "cdiv", "range", "multiple_of"])
_BUILTINS = frozenset(
    ["range", "min", "max", "abs", "len", "float", "int", "bool", "print", "isinstance"]
)


def check(
    launched: Sequence[ast.FunctionDef], every: Mapping[str, ast.FunctionDef]
) -> Iterator[Found]:
    """Judge the kernels of a module together.

    Args:
        launched: those that can run.
        every: all of its kernels, for what those call.
    """
    if not launched:
        return
    bodies = _with_helpers(launched, every)
    calls = [node for body in bodies for node in ast.walk(body) if isinstance(node, ast.Call)]
    stores = [call for call in calls if _name(call.func).startswith(_STORES)]
    if any(_is_unknown(call, every) for call in calls):
        return
    if not stores:
        text = f"{launched[0].name} stores nothing" if len(launched) == 1 else "no kernel stores"
        yield Found(Flag.DECOY_KERNEL, launched[0], text)
    elif not any(_varies(body) for body in bodies):
        yield Found(Flag.CONSTANT_OUTPUT, stores[0], "what is stored depends on nothing")


def _with_helpers(
    launched: Sequence[ast.FunctionDef], every: Mapping[str, ast.FunctionDef]
) -> list[ast.FunctionDef]:
    """Kernels, and the jit functions that they mention."""
    found: dict[str, ast.FunctionDef] = {}
    pending = list(launched)
    while pending:
        kernel = pending.pop()
        if kernel.name in found:
            continue
        found[kernel.name] = kernel
        names = {node.id for node in ast.walk(kernel) if isinstance(node, ast.Name)}
        pending += [every[name] for name in names & every.keys()]
    return list(found.values())


def _is_unknown(call: ast.Call, every: Mapping[str, ast.FunctionDef]) -> bool:
    """A plain function that is not in sight: what it does is not known."""
    if not isinstance(call.func, ast.Name):
        return not isinstance(call.func, ast.Attribute)
    return call.func.id not in every and call.func.id not in _BUILTINS


def _varies(kernel: ast.FunctionDef) -> bool:
    """Whether anything that a kernel stores may differ: by value, or where by what was loaded."""
    values: list[ast.AST] = []
    places: list[ast.AST] = []
    for node in ast.walk(kernel):
        if isinstance(node, ast.Call) and _name(node.func).startswith(_STORES):
            if _name(node.func) != "store":
                return True
            values += node.args[1:2] + [k.value for k in node.keywords if k.arg == "value"]
            places += node.args[:1] + node.args[2:]
            places += [k.value for k in node.keywords if k.arg != "value"]
        elif isinstance(node, ast.If | ast.While | ast.IfExp):
            places.append(node.test)
    parameters = {node.arg for node in ast.walk(kernel.args) if isinstance(node, ast.arg)}
    sources = _sources(kernel)
    return _depends(values, sources, parameters, _CONSTANT_CALLS) or _depends(
        places, sources, set(), _CONSTANT_CALLS | _PLACE_CALLS
    )


def _sources(kernel: ast.FunctionDef) -> dict[str, list[ast.AST]]:
    """What is assigned to each name."""
    sources: dict[str, list[ast.AST]] = {}
    targets: list[ast.expr]
    for node in ast.walk(kernel):
        match node:
            case ast.Assign(targets=targets, value=source):
                pass
            case (
                ast.AugAssign(target=target, value=source)
                | ast.AnnAssign(target=target, value=ast.expr() as source)
                | ast.NamedExpr(target=target, value=source)
                | ast.For(target=target, iter=source)
            ):
                targets = [target]
            case _:
                continue
        for part in (part for target in targets for part in ast.walk(target)):
            if isinstance(part, ast.Name):
                sources.setdefault(part.id, []).append(source)
    return sources


def _depends(
    values: Sequence[ast.AST],
    sources: Mapping[str, Sequence[ast.AST]],
    parameters: set[str],
    harmless: frozenset[str],
) -> bool:
    """Whether values come from a parameter, or from a call that may give anything."""
    known: set[str] = set()
    pending = list(values)
    while pending:
        for node in ast.walk(pending.pop()):
            if isinstance(node, ast.Call) and _name(node.func) not in harmless:
                return True
            if isinstance(node, ast.Name) and node.id not in known:
                if node.id in parameters:
                    return True
                known.add(node.id)
                pending += sources.get(node.id, [])
    return False


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""
