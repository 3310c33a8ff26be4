"""Hacks that the text of a module shows beyond doubt. By its syntax tree: never by words in comments.

What a module does is decided by its behaviour (`evidence`). Here is what no behaviour shows, because
it would happen where nobody looks, and what need not be run to be known.
"""

import ast
import sys
from collections.abc import Iterator
from typing import NamedTuple

from .flags import Flag

MODEL, ENTRY = "Model", "ModelNew"
HARMLESS = frozenset(
    [
        "__future__",
        "abc",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "itertools",
        "logging",
        "math",
        "numbers",
        "operator",
        "random",
        "string",
        "textwrap",
        "time",
        "types",
        "typing",
        "typing_extensions",
        "warnings",
    ]
)
"""Modules of the standard library that a kernel may use."""
IMPLEMENTATIONS = frozenset(
    [
        "apex",
        "bitsandbytes",
        "cupy",
        "flag_gems",
        "flash_attn",
        "flashinfer",
        "fla",
        "kernels",
        "liger_kernel",
        "numba",
        "torchao",
        "vllm",
        "xformers",
    ]
)
"""Packages of ready kernels."""
_TORCH = {
    "torch.compile": Flag.TORCH_COMPILE,
    "torch.jit.script": Flag.TORCH_COMPILE,
    "torch.jit.trace": Flag.TORCH_COMPILE,
    "torch._inductor": Flag.TORCH_COMPILE,
    "torch._dynamo": Flag.TORCH_COMPILE,
    "torch.cuda.CUDAGraph": Flag.TORCH_COMPILE,
    "torch.cuda.graph": Flag.TORCH_COMPILE,
    "torch.cuda.graphs": Flag.TORCH_COMPILE,
    "torch.cuda.make_graphed_callables": Flag.TORCH_COMPILE,
    "torch.cuda.Stream": Flag.SIDE_STREAM,
    "torch.cuda.stream": Flag.SIDE_STREAM,
    "torch.cuda.ExternalStream": Flag.SIDE_STREAM,
    "torch.load": Flag.FORBIDDEN_ACCESS,
    "torch.hub": Flag.FORBIDDEN_ACCESS,
    "torch.multiprocessing": Flag.FORBIDDEN_ACCESS,
    "torch.utils.cpp_extension": Flag.FORBIDDEN_ACCESS,
    "torch.overrides": Flag.TENSOR_SUBCLASS,
    "torch.utils._python_dispatch": Flag.TENSOR_SUBCLASS,
}
_ATTRIBUTES = {
    **dict.fromkeys(
        [
            "_getframe",
            "f_back",
            "f_locals",
            "f_globals",
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
}
_BUILTINS = {
    **dict.fromkeys(["exec", "eval", "compile", "__import__"], Flag.DYNAMIC_CODE),
    **dict.fromkeys(
        ["open", "breakpoint", "input", "__builtins__", "__loader__"], Flag.FORBIDDEN_ACCESS
    ),
}
_HALF = {"float16", "bfloat16", "half"}
_ENVIRONMENT = {"os.environ", "os.getenv"}


class Checked(NamedTuple):
    """What the text shows."""

    flags: tuple[Flag, ...]
    messages: tuple[str, ...]


class _Found(NamedTuple):
    flag: Flag
    node: ast.AST
    text: str


def check(tree: ast.Module, *, single: bool) -> Checked:
    """Read a candidate's module.

    Args:
        tree: of the module.
        single: the task computes in single precision.
    """
    modules = _modules(tree)
    found = [*_imports(tree), *_uses(tree, modules), *_structure(tree, modules)]
    if single:
        found += _precision(tree)
    flags = tuple(dict.fromkeys(item.flag for item in found))
    lines = (f"{item.flag}: line {getattr(item.node, 'lineno', 1)}: {item.text}" for item in found)
    return Checked(flags, tuple(dict.fromkeys(lines)))


def dotted(node: ast.AST, modules: dict[str, str]) -> str:
    """The full name of what an expression refers to, if an import is behind it; else ""."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    root = modules.get(node.id, "") if isinstance(node, ast.Name) else ""
    return ".".join([root, *reversed(parts)]) if root else ""


def kernels(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Functions at the top level that Triton compiles."""
    modules = _modules(tree)
    return {
        node.name: node
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any(is_jit(item, modules) for item in node.decorator_list)
    }


def is_jit(decorator: ast.expr, modules: dict[str, str]) -> bool:
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    return dotted(function, modules) in {
        "triton.jit",
        "triton.runtime.jit",
        "triton.runtime.jit.jit",
    }


def _modules(tree: ast.Module) -> dict[str, str]:
    """What imports bind: a name and the full name behind it."""
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
    return bound


def _imports(tree: ast.Module) -> Iterator[_Found]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.partition(".")[0] in IMPLEMENTATIONS:
                yield _Found(
                    Flag.FORBIDDEN_ACCESS, node, f"{name} is not the completion's own kernel"
                )
            elif flag := _flag_of(name):
                yield _Found(flag, node, f"{name} has no place in a kernel")


def _flag_of(name: str) -> Flag | None:
    """The hack that a full name belongs to."""
    parts = name.split(".")
    prefixes = (".".join(parts[: i + 1]) for i in range(len(parts)))
    return next((_TORCH[prefix] for prefix in prefixes if prefix in _TORCH), None)


def _uses(tree: ast.Module, modules: dict[str, str]) -> Iterator[_Found]:
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and _stores(node)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    bound |= {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                if name in _BUILTINS and name not in bound and name not in modules:
                    yield _Found(_BUILTINS[name], node, f"{name} has no place in a kernel")
                elif name not in bound and (flag := _module_use(modules.get(name, ""))):
                    yield _Found(flag, node, f"{modules[name]} has no place in a kernel")
            case ast.Attribute(attr=attr):
                yield from _attribute(node, attr, dotted(node, modules))
            case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[target, *_]):
                if dotted(target, modules):
                    yield _Found(Flag.MODULE_MUTATION, node, f"changes {ast.unparse(target)}")
            case ast.Call(func=ast.Name(id="getattr"), args=[target, name, *_]):
                if dotted(target, modules) and not isinstance(name, ast.Constant):
                    yield _Found(
                        Flag.DYNAMIC_CODE,
                        node,
                        f"hides which part of {ast.unparse(target)} it uses",
                    )
            case _:
                pass


def _stores(node: ast.Name) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _module_use(name: str) -> Flag | None:
    """Whether a module of the standard library is one that a kernel cannot need."""
    root = name.partition(".")[0]
    if root in sys.stdlib_module_names and root not in HARMLESS and root != "os":
        return Flag.FORBIDDEN_ACCESS
    return Flag.FORBIDDEN_ACCESS if name.startswith("os.") and name not in _ENVIRONMENT else None


def _attribute(node: ast.Attribute, attr: str, full: str) -> Iterator[_Found]:
    if attr in _ATTRIBUTES:
        yield _Found(_ATTRIBUTES[attr], node, f"{attr} has no place in a kernel")
    elif full in _TORCH:
        yield _Found(_TORCH[full], node, f"{full} has no place in a kernel")
    elif full.startswith("os.") and full.count(".") == 1 and full not in _ENVIRONMENT:
        yield _Found(Flag.FORBIDDEN_ACCESS, node, f"{full} has no place in a kernel")
    elif full and _stored(node) and not full.startswith(("torch.backends.", "os.environ")):
        yield _Found(Flag.MODULE_MUTATION, node, f"replaces {full}")


def _stored(node: ast.Attribute) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _structure(tree: ast.Module, modules: dict[str, str]) -> Iterator[_Found]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name, bases=bases) if name == ENTRY:
                if any(isinstance(base, ast.Name) and base.id == MODEL for base in bases):
                    yield _Found(Flag.INHERITED_REFERENCE, node, f"{ENTRY} is a {MODEL}")
            case (
                ast.Subscript(slice=key) | ast.Call(func=ast.Attribute(attr="get"), args=[key, *_])
            ):
                yield from _identity_key(key)
            case ast.Compare(left=key, ops=[ast.In() | ast.NotIn(), *_]):
                yield from _identity_key(key)
            case _:
                pass
    yield from _unlaunched(tree, modules)


def _identity_key(key: ast.AST) -> Iterator[_Found]:
    """A look-up by where a tensor lies or how often it was changed."""
    for node in ast.walk(key):
        match node:
            case ast.Call(func=ast.Attribute(attr="data_ptr")) | ast.Attribute(attr="_version"):
                yield _Found(
                    Flag.REPLAYED_OUTPUT, node, "looks a result up by the identity of a tensor"
                )
            case _:
                pass


def _unlaunched(tree: ast.Module, modules: dict[str, str]) -> Iterator[_Found]:
    """Kernels that nothing outside of kernels ever names."""
    if "triton" not in {full.partition(".")[0] for full in modules.values()}:
        yield _Found(Flag.NO_KERNEL_LAUNCH, tree, "has no Triton kernel")
        return
    jitted = kernels(tree)
    outside = [node for node in tree.body if node not in jitted.values()]
    used: set[str] = set()
    for part in outside:
        for node in ast.walk(part):
            if isinstance(node, ast.Name):
                used.add(node.id)
            elif isinstance(node, ast.Attribute) and node.attr == "jit":
                return  # made into a kernel by a call or in another scope
    if any(full.endswith(".jit") for name, full in modules.items() if name in used):
        return
    if not jitted:
        yield _Found(Flag.NO_KERNEL_LAUNCH, tree, "has no function with @triton.jit")
    elif not used & jitted.keys():
        first = next(iter(jitted.values()))
        yield _Found(Flag.NO_KERNEL_LAUNCH, first, f"{first.name} is never launched")


def _precision(tree: ast.Module) -> Iterator[_Found]:
    """Half precision or TF32, asked for by name in `tl.dot`: the interpreter's products are exact."""
    for node in ast.walk(tree):
        if not (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "dot"
        ):
            continue
        for keyword in node.keywords:
            match keyword:
                case ast.keyword(arg="input_precision", value=ast.Constant(value="tf32")):
                    yield _Found(Flag.PRECISION_DOWNGRADE, node, "multiplies in TF32")
                case ast.keyword(arg="allow_tf32", value=ast.Constant(value=True)):
                    yield _Found(Flag.PRECISION_DOWNGRADE, node, "multiplies in TF32")
                case _:
                    pass
        if any(_is_half(argument) for argument in node.args[:2]):
            yield _Found(Flag.PRECISION_DOWNGRADE, node, "multiplies in half precision")


def _is_half(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr="to"), args=[ast.Attribute(attr=name), *_]):
            return name in _HALF
        case ast.Call(func=ast.Attribute(attr="half" | "bfloat16")):
            return True
    return False
