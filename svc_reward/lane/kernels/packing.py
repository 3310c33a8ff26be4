"""Tensors as bytes, and the nested values around them as JSON.

Tensors lie one after the other, each at a multiple of ALIGNMENT, as contiguous bytes. Their dtypes,
shapes and strides travel in a message.
"""

import ast
import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .reports import MAX_OUTPUTS, Layout

ALIGNMENT = 64
MAX_DEPTH = 4


def size_of(layouts: Sequence[Layout]) -> int:
    """Bytes that tensors of these layouts take together."""
    return offsets(layouts)[-1]


def offsets(layouts: Sequence[Layout]) -> list[int]:
    """Where each tensor begins, and at last where the next one would."""
    places = [0]
    for layout in layouts:
        count = math.prod(layout.shape) * dtype_of(layout.dtype).itemsize
        places.append(places[-1] + -(-count // ALIGNMENT) * ALIGNMENT)
    return places


def dtype_of(name: str) -> torch.dtype:
    """The dtype that prints as `name`."""
    found = getattr(torch, name.removeprefix("torch."), None)
    if not isinstance(found, torch.dtype):
        raise TypeError(f"not a dtype: {name}")
    return found


def layout_of(name: str, tensor: torch.Tensor) -> Layout:
    return Layout(name, str(tensor.dtype), tuple(tensor.shape))


def raw(tensor: torch.Tensor) -> torch.Tensor:
    """A tensor's bytes: one-dimensional uint8 on the CPU, a copy only where it is necessary."""
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)


def pack(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """All tensors' bytes."""
    layouts = [layout_of("", tensor) for tensor in tensors]
    places = offsets(layouts)
    data = torch.zeros(places[-1], dtype=torch.uint8)
    for tensor, place in zip(tensors, places, strict=False):
        piece = raw(tensor)
        data[place : place + len(piece)] = piece
    return data


def unpack(data: torch.Tensor, layouts: Sequence[Layout]) -> list[torch.Tensor]:
    """Views of `data` as tensors."""
    found: list[torch.Tensor] = []
    for layout, place in zip(layouts, offsets(layouts), strict=False):
        dtype = dtype_of(layout.dtype)
        piece = data[place : place + math.prod(layout.shape) * dtype.itemsize]
        found.append(piece.view(dtype).reshape(layout.shape))
    return found


def buffer(data: torch.Tensor) -> memoryview:
    """The memory of a one-dimensional uint8 tensor."""
    return memoryview(data.numpy())  # type: ignore[arg-type]


def encode(value: Any, tensors: list[torch.Tensor], depth: int = MAX_DEPTH) -> Any:
    """A nested value as JSON; its tensors are appended to `tensors` and replaced by their index.

    Raises:
        TypeError: something in it is no tensor, list, tuple, dict or literal.
    """
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return {"tensor": len(tensors) - 1}
    if depth and isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [encode(item, tensors, depth - 1) for item in value]}
    if depth and isinstance(value, dict):
        return {"dict": [[repr(k), encode(v, tensors, depth - 1)] for k, v in value.items()]}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value)}
    if isinstance(value, float):
        return {"float": value.hex()}
    if value is None or isinstance(value, bool | int | str | complex | bytes):
        return {"literal": repr(value)}
    raise TypeError(f"a {type(value).__name__} cannot be passed to a kernel's model")


def decode(tree: Any, tensors: Sequence[torch.Tensor]) -> Any:  # noqa: PLR0911 - one for each kind
    """The opposite of `encode`."""
    ((kind, content),) = tree.items()
    match kind:
        case "tensor":
            return tensors[content]
        case "list":
            return [decode(item, tensors) for item in content]
        case "tuple":
            return tuple(decode(item, tensors) for item in content)
        case "dict":
            return {ast.literal_eval(key): decode(item, tensors) for key, item in content}
        case "dtype":
            return dtype_of(content)
        case "float":
            return float.fromhex(content)
        case _:
            return ast.literal_eval(content)


def leaves(value: Any) -> list[tuple[str, torch.Tensor]]:
    """What a model returned as named tensors; Python numbers become tensors, None is left out.

    Raises:
        TypeError: something else is in it.
    """
    found = list(_leaves(value, "", MAX_DEPTH))
    if len(found) > MAX_OUTPUTS:
        raise TypeError(f"more than {MAX_OUTPUTS} outputs")
    return found


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, torch.Tensor):
        yield name or "output", value
    elif isinstance(value, bool | int | float):
        yield f"{name} as a Python number".strip(), torch.tensor(float(value), dtype=torch.float64)
    elif depth and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{name}[{index}]", depth - 1)
    elif depth and isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{name}[{key!r}]"[:100], depth - 1)
    elif value is not None:
        raise TypeError(f"the model returned a {type(value).__name__}, not tensors")
