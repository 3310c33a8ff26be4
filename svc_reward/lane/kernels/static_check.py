"""Hacks that the text of a module shows beyond doubt. By its syntax tree: never by words in comments.

What a module does is decided by its behaviour (`evidence`). Here is what no behaviour shows, because
it would happen where nobody looks, and what need not be run to be known.
"""

import ast
from collections.abc import Iterator
from typing import NamedTuple

from . import imports, precision, reach, replay, stores
from .flags import Flag
from .syntax import (
    ENTRY,
    Found,
    annotations,
    assigned,
    dotted,
    is_jit,
    jitted_by_call,
    kernels,
    modules,
)

MODEL = "Model"
_ATTRIBUTES = {
    **dict.fromkeys(
        [
            "_getframe",
            "f_back",
            "f_locals",
            "f_globals",
            "f_builtins",
            "tb_frame",
            "gi_frame",
            "cr_frame",
            "__subclasses__",
            "__globals__",
            "__builtins__",
            "__code__",
            "__closure__",
            "__mro__",
            "__bases__",
            "__import__",
            "__loader__",
        ],
        Flag.FORBIDDEN_ACCESS,
    ),
    **dict.fromkeys(
        [
            "_make_subclass",
            "_make_wrapper_subclass",
            "as_subclass",
            "__torch_function__",
            "__torch_dispatch__",
        ],
        Flag.TENSOR_SUBCLASS,
    ),
    "inline_asm_elementwise": Flag.DYNAMIC_CODE,
}
_BUILTINS = {
    **dict.fromkeys(["exec", "eval", "compile", "__import__"], Flag.DYNAMIC_CODE),
    **dict.fromkeys(
        ["open", "breakpoint", "input", "__builtins__", "__loader__"], Flag.FORBIDDEN_ACCESS
    ),
}
_SETTINGS = ("torch.backends.", "os.environ")
"""What may be assigned to: it changes how PyTorch computes, not what is computed."""


class Checked(NamedTuple):
    """What the text shows."""

    flags: tuple[Flag, ...]
    messages: tuple[str, ...]


def check(tree: ast.Module, *, single: bool) -> Checked:
    """Read a candidate's module.

    Args:
        tree: of the module.
        single: the task computes in single precision.
    """
    tree = reach.live(tree)
    bound = modules(tree)
    found = [*_imports(tree), *_uses(tree, bound), *_inherited(tree), *replay.check(tree, bound)]
    found += _computing(tree, bound)
    if single:
        found += precision.check(tree)
    flags = tuple(dict.fromkeys(item.flag for item in found))
    lines = (f"{item.flag}: line {getattr(item.node, 'lineno', 1)}: {item.text}" for item in found)
    return Checked(flags, tuple(dict.fromkeys(lines)))


def _imports(tree: ast.Module) -> Iterator[Found]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if hack := imports.of_import(name):
                yield Found(hack[0], node, hack[1])


def _uses(tree: ast.Module, bound: dict[str, str]) -> Iterator[Found]:
    own = assigned(tree).keys() | {
        node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    aside = annotations(tree) | {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node, bound) in imports.HONEST
        for part in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in aside:
            continue
        match node:
            case ast.Name(id=name, ctx=ast.Load()) if name not in own:
                yield from _name(node, name, bound.get(name, ""))
            case ast.Attribute(attr=attr):
                yield from _attribute(node, attr, dotted(node, bound))
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[target, *_]):
                if dotted(target, bound):
                    yield Found(Flag.MODULE_MUTATION, node, f"changes {ast.unparse(target)}")
            case ast.Call(func=ast.Name(id="getattr"), args=[target, name, *_]):
                if full := dotted(target, bound):
                    yield from _getattr(node, full, name)
            case _:
                pass


def _name(node: ast.AST, name: str, full: str) -> Iterator[Found]:
    if name in _BUILTINS and not full:
        yield Found(_BUILTINS[name], node, f"{name} has no place in a kernel")
    elif flag := imports.of_use(full):
        yield Found(flag, node, f"{full} has no place in a kernel")
    elif imports.reaches_out(full):
        yield Found(Flag.FORBIDDEN_ACCESS, node, f"{full} has no place in a kernel")


def _attribute(node: ast.Attribute, attr: str, full: str) -> Iterator[Found]:
    if attr in _ATTRIBUTES:
        yield Found(_ATTRIBUTES[attr], node, f"{attr} has no place in a kernel")
    elif flag := imports.of_use(full):
        yield Found(flag, node, f"{full} has no place in a kernel")
    elif full.startswith(("os.", "sys.")) and imports.reaches_out(full):
        yield Found(Flag.FORBIDDEN_ACCESS, node, f"{full} has no place in a kernel")
    elif full and not isinstance(node.ctx, ast.Load) and not full.startswith(_SETTINGS):
        yield Found(Flag.MODULE_MUTATION, node, f"replaces {full}")


def _getattr(node: ast.Call, full: str, name: ast.expr) -> Iterator[Found]:
    if not (isinstance(name, ast.Constant) and isinstance(name.value, str)):
        yield Found(Flag.DYNAMIC_CODE, node, f"hides which part of {full} it uses")
    elif flag := imports.of_use(f"{full}.{name.value}"):
        yield Found(flag, node, f"{full}.{name.value} has no place in a kernel")


def _inherited(tree: ast.Module) -> Iterator[Found]:
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name, bases=bases) if name == ENTRY:
                if any(isinstance(base, ast.Name) and base.id == MODEL for base in bases):
                    yield Found(Flag.INHERITED_REFERENCE, node, f"{ENTRY} is a {MODEL}")
            case _:
                pass


def _computing(tree: ast.Module, bound: dict[str, str]) -> Iterator[Found]:
    """Whether there are kernels that code names which can run, and that compute anything."""
    if "triton" not in {full.partition(".")[0] for full in bound.values()}:
        yield Found(Flag.NO_KERNEL_LAUNCH, tree, "has no Triton kernel")
        return
    jitted = kernels(tree)
    if _makes_others(tree, jitted, bound):
        return
    made = jitted_by_call(tree, bound)
    mentioned = reach.reachable(tree)
    mentioned |= {function for name, function in made.items() if name in mentioned}
    launched = [node for name, node in jitted.items() if name in mentioned]
    if not jitted:
        yield Found(Flag.NO_KERNEL_LAUNCH, tree, "has no function with @triton.jit")
    elif not launched:
        first = next(iter(jitted.values()))
        yield Found(Flag.NO_KERNEL_LAUNCH, first, f"{first.name} is never launched")
    else:
        yield from stores.check(launched, jitted)


def _makes_others(
    tree: ast.Module, jitted: dict[str, ast.FunctionDef], bound: dict[str, str]
) -> bool:
    """Whether kernels are made in another scope, or in a way that does not say of what."""
    known = {
        id(item.func if isinstance(item, ast.Call) else item)
        for node in jitted.values()
        for item in node.decorator_list
    }
    return any(
        isinstance(node, ast.Name | ast.Attribute)
        and isinstance(node.ctx, ast.Load)
        and is_jit(node, bound)
        and id(node) not in known
        for node in ast.walk(tree)
    )
