"""Answers that are kept and given again, where the text leaves no doubt of it. Pure.

To keep a grid, a configuration, a table or a workspace is honest. So a cache counts only where it is
looked up by a tensor's identity, or where a call's result is given to later calls instead of computing
anything. All other stale answers are found by behaviour.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence

from .flags import Flag
from .syntax import Found, dotted

_CACHES = frozenset(["functools.cache", "functools.lru_cache"])
_TENSOR = frozenset(
    ["shape", "numel", "stride", "contiguous", "is_cuda", "element_size", "new_empty"]
)
_LIKE = frozenset(["torch.empty_like", "torch.zeros_like", "torch.ones_like"])


def check(tree: ast.Module, bound: Mapping[str, str]) -> Iterator[Found]:
    """Find caches of answers.

    Args:
        tree: of what can run.
        bound: names of imports.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield from _cached(node, dict(bound))
            yield from _looked_up(node)
            if node.name == "forward":
                yield from _kept(node)


def _cached(function: ast.FunctionDef, bound: dict[str, str]) -> Iterator[Found]:
    """`functools.cache` around what is given tensors and launches, or is the model's answer."""
    decorators = [d.func if isinstance(d, ast.Call) else d for d in function.decorator_list]
    if not any(dotted(decorator, bound) in _CACHES for decorator in decorators):
        return
    arguments = [argument for argument in function.args.args if argument.arg != "self"]
    used = _used_as_tensors(function, bound)
    if not any(
        dotted(argument.annotation, bound) == "torch.Tensor"
        if argument.annotation is not None
        else argument.arg in used
        for argument in arguments
    ):
        return
    if function.name == "forward" or any(map(_is_launch, ast.walk(function))):
        yield Found(Flag.REPLAYED_OUTPUT, function, f"{function.name} caches results by tensors")


def _used_as_tensors(function: ast.FunctionDef, bound: dict[str, str]) -> set[str]:
    """Names of what can be nothing but a tensor."""
    names: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if attr in _TENSOR:
                names.add(name)
            case ast.Call(func=called, args=[ast.Name(id=name), *_]):
                if dotted(called, bound) in _LIKE:
                    names.add(name)
            case _:
                pass
    return names


def _is_launch(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Subscript)


def _looked_up(function: ast.FunctionDef) -> Iterator[Found]:
    """A look-up by where a tensor lies, which object it is, or how often it was changed."""
    keys: set[str] = set()
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _identifies(value, set()):
                keys.add(name)
            case _:
                pass
    for node in ast.walk(function):
        match node:
            case (
                ast.Subscript(slice=key, ctx=ast.Load())
                | ast.Call(func=ast.Attribute(attr="get" | "setdefault"), args=[key, *_])
                | ast.Compare(left=key, ops=[ast.In() | ast.NotIn()])
            ) if _identifies(key, keys):
                yield Found(
                    Flag.REPLAYED_OUTPUT, node, "looks a result up by the identity of a tensor"
                )
            case ast.Compare(left=one, ops=[ast.Eq() | ast.NotEq()], comparators=[other]):
                if (_identifies(one, keys) and _is_kept(other)) or (
                    _identifies(other, keys) and _is_kept(one)
                ):
                    yield Found(
                        Flag.REPLAYED_OUTPUT,
                        node,
                        "compares a tensor's identity with an earlier one",
                    )
            case _:
                pass


def _identifies(  # noqa: PLR0911 - one for each kind of expression
    node: ast.expr, keys: set[str]
) -> bool:
    """Whether a value tells one tensor from another; an address's alignment does not."""
    match node:
        case ast.Call(func=ast.Attribute(attr="data_ptr"), args=[]):
            return True
        case ast.Call(func=ast.Name(id="id"), args=[ast.Name(id=name)]):
            return name != "self"
        case ast.Attribute(attr="_version"):
            return True
        case ast.Name(id=name):
            return name in keys
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.JoinedStr(values=parts):
            return any(_identifies(part, keys) for part in parts)
        case ast.FormattedValue(value=value):
            return _identifies(value, keys)
    return False


def _is_kept(node: ast.expr) -> bool:
    """What outlives a call: an attribute of the model, or an entry of it."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return isinstance(node, ast.Attribute) and _is_self(node.value)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _kept(forward: ast.FunctionDef) -> Iterator[Found]:
    """A call's result that later calls return at once, as in `if self.y is not None: return self.y`."""
    inputs = {argument.arg for argument in forward.args.args} - {"self"}
    results = {
        target.attr: node.lineno
        for node in ast.walk(forward)
        if isinstance(node, ast.Assign) and _computes(node.value, inputs)
        for target in node.targets
        if isinstance(target, ast.Attribute) and _is_self(target.value)
    }
    mentions: dict[str, list[ast.Attribute]] = {}
    returned: set[int] = set()
    for node in ast.walk(forward):
        if isinstance(node, ast.Attribute):
            mentions.setdefault(node.attr, []).append(node)
        elif isinstance(node, ast.Return):
            returned.add(id(node.value))
    for node in ast.walk(forward):
        match node:
            case ast.If(test=test, body=[ast.Return(value=ast.Attribute(attr=attr) as value)]):
                if (
                    _is_self(value.value)
                    and results.get(attr, 0) > node.lineno
                    and _asked(test) == attr
                ):
                    text = f"returns self.{attr}, which an earlier call computed"
                    yield Found(Flag.REPLAYED_OUTPUT, node, text)
            case ast.If(test=test, orelse=[]):
                attr = _asked(test)
                if attr in results and _only_here(node, mentions[attr], returned):
                    text = f"computes self.{attr} once, and returns it ever after"
                    yield Found(Flag.REPLAYED_OUTPUT, node, text)
            case _:
                pass


def _computes(value: ast.expr, inputs: set[str]) -> bool:
    """Whether a call is given an input itself: its shape alone would do for a table."""
    return any(
        isinstance(node, ast.Call)
        and not (isinstance(node.func, ast.Attribute) and node.func.attr.endswith("_like"))
        and any(isinstance(a, ast.Name) and a.id in inputs for a in node.args)
        for node in ast.walk(value)
    )


def _asked(test: ast.expr) -> str:
    """The attribute of the model that a condition asks for, and for nothing besides; else ""."""
    match test:
        case ast.Compare(
            left=ast.Attribute(attr=name, value=owner),
            ops=[ast.Is() | ast.IsNot()],
            comparators=[ast.Constant(value=None)],
        ):
            return name if _is_self(owner) else ""
        case ast.Call(func=ast.Name(id="hasattr"), args=[owner, ast.Constant(value=str(name))]):
            return name if _is_self(owner) else ""
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _asked(operand)
    return ""


def _only_here(block: ast.If, mentions: Sequence[ast.Attribute], returned: set[int]) -> bool:
    """Whether an attribute is set in a block, and otherwise only returned."""
    inside = {id(node) for part in block.body for node in ast.walk(part)}
    tested = {id(node) for node in ast.walk(block.test)}
    outside = [id(node) for node in mentions if id(node) not in inside | tested]
    stored = any(id(node) in inside and isinstance(node.ctx, ast.Store) for node in mentions)
    return stored and bool(outside) and returned.issuperset(outside)
