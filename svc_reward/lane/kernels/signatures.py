"""What a launch says about how its kernel has to be compiled, as text that any process can read."""

import ast
import inspect
from collections.abc import Mapping
from typing import Any

from .reports import MAX_NAME, MAX_PARAMETERS, Launch

OPTIONS = ("num_warps", "num_stages", "num_ctas")
_LITERALS = (int, str, bool, type(None))


def of(function: Any, arguments: tuple[Any, ...], keywords: Mapping[str, Any]) -> Launch | None:
    """The signature of a launch.

    Args:
        function: Triton's kernel object, compiled or interpreted.
        arguments: positional ones.
        keywords: the others, launch options among them.

    Returns:
        None if the call does not fit the kernel's parameters, or has too many.
    """
    parameters = _parameters(function)
    options = {name: keywords[name] for name in OPTIONS if isinstance(keywords.get(name), int)}
    given = {name: value for name, value in keywords.items() if name in parameters}
    try:
        bound = inspect.Signature(list(parameters.values())).bind(*arguments, **given)
    except TypeError:
        return None
    if len(parameters) > MAX_PARAMETERS:
        return None
    bound.apply_defaults()
    types: list[tuple[str, str]] = []
    constants: list[str] = []
    for name, value in bound.arguments.items():
        kind = "constexpr" if _is_constexpr(parameters[name]) else _type_of(value)
        types.append((name, kind))
        constants.append(literal(value) if kind == "constexpr" else "")
    return Launch(function.fn.__name__, tuple(types), tuple(constants), repr(options))


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function.fn).parameters)


def _is_constexpr(parameter: inspect.Parameter) -> bool:
    """As `triton.jit` decides it: `tl.constexpr`, or a string that ends so."""
    annotation = parameter.annotation
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return bool(name.replace(" ", "").endswith("constexpr"))


def _type_of(value: Any) -> str:
    from triton.runtime.jit import mangle_type  # noqa: PLC0415 - only where Triton is

    try:
        kind = mangle_type(value)
    except TypeError:
        return "?"
    return kind if isinstance(kind, str) and len(kind) < MAX_NAME else "?"


def literal(value: Any) -> str:
    """A constant as text: `=` and a Python literal, or a float, a dtype, a function, unknown."""
    import triton.language as tl  # noqa: PLC0415 - only where Triton is

    value = getattr(value, "value", value) if isinstance(value, tl.constexpr) else value
    if isinstance(value, float):
        return "n" + value.hex()
    if isinstance(value, _LITERALS):
        text = "=" + repr(value)
        return text if len(text) < MAX_NAME else "?"
    if isinstance(value, tl.dtype):
        return f"d{value.name}"
    if callable(value) and hasattr(value, "fn"):
        return f"f{value.fn.__name__}"
    return "?"


def constant(text: str, functions: Mapping[str, Any]) -> Any:
    """The value of a `literal`.

    Args:
        text: the literal.
        functions: kernels that may be named.

    Raises:
        ValueError: it has none here.
    """
    import triton.language as tl  # noqa: PLC0415 - only where Triton is

    kind, rest = text[:1], text[1:]
    if kind == "=":
        return ast.literal_eval(rest)
    if kind == "n":
        return float.fromhex(rest)
    if kind == "d":
        return tl.dtype(rest)
    if kind == "f" and rest in functions:
        return functions[rest]
    raise ValueError(f"a constant that cannot be known ahead of time: {rest or 'of another type'}")
