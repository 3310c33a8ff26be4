"""A task: PyTorch source with `Model`, `get_inputs` and `get_init_inputs` (KernelBench's convention).

Only the grader's process ever sees it.
"""

import ast
import json
import linecache
import types
from collections.abc import Mapping
from typing import Any

import torch

from . import trials
from .faults import describe

FILENAME = "task.py"
NAMES = ("Model", "get_inputs", "get_init_inputs")
BATCH = "batch_size"
MAX_VARIANTS = 4

Overrides = Mapping[str, Any]
"""Module constants and the values that they get instead."""


class TaskError(Exception):
    """The task itself is at fault: its source, its inputs, or its reference."""


class ShapesError(TaskError):
    """The example's other shapes are at fault."""


class Task:
    """The task's module, executed with some of its constants replaced.

    Args:
        source: the module.
        overrides: constants at its top level.

    Raises:
        TaskError: it does not load, or lacks one of NAMES or a constant.
    """

    def __init__(self, source: str, overrides: Overrides | None = None) -> None:
        module = types.ModuleType("task")
        linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
        tree = _replaced(_parsed(source), overrides or {})
        try:
            exec(compile(tree, FILENAME, "exec"), module.__dict__)  # noqa: S102 - the tenant's own
        except BaseException as error:  # noqa: BLE001 - whatever the task's own code raises
            raise TaskError(f"does not load: {describe(error, FILENAME)}") from None
        self._names = module.__dict__
        missing = [name for name in NAMES if not callable(self._names.get(name))]
        if missing:
            raise TaskError(f"defines no {', '.join(missing)}")

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """What the model is made with: positional and keyword arguments."""
        given = self._call("get_init_inputs")
        match given:
            case [list() as positional, dict() as keywords]:
                return positional, keywords
        return list(given), {}

    def build(self, seed: int) -> torch.nn.Module:
        """The model, initialised from a seed."""
        positional, keywords = self.arguments()
        # `torch.manual_seed` notes a stack trace for each kind of device that is not there.
        torch.default_generator.manual_seed(seed)
        model = self._call("Model", *positional, **keywords)
        if not isinstance(model, torch.nn.Module):
            raise TaskError("Model is no torch.nn.Module")
        return model

    def draw(self, seed: int) -> list[Any]:
        """One input set."""
        torch.default_generator.manual_seed(seed)
        return list(self._call("get_inputs"))

    def _call(self, name: str, *arguments: Any, **keywords: Any) -> Any:
        try:
            return self._names[name](*arguments, **keywords)
        except BaseException as error:  # noqa: BLE001 - whatever the task's own code raises
            raise TaskError(f"{name} raised {describe(error, FILENAME)}") from None


def variants(source: str, shapes: str, seed: int) -> tuple[Overrides, ...]:
    """Other shapes to try: those that the example lists, else another batch size if there is one.

    Args:
        source: of the task.
        shapes: JSON: a list of objects that map module constants to values; may be empty.
        seed: the job's.

    Raises:
        ShapesError: `shapes` is something else.
    """
    if shapes.strip():
        return _declared(shapes)
    for name, value in _constants(source).items():
        if name.lower() == BATCH and isinstance(value, int) and not isinstance(value, bool):
            return ({name: trials.other_batch(value, seed)},)
    return ()


def _declared(shapes: str) -> tuple[Overrides, ...]:
    try:
        rows = json.loads(shapes)
    except ValueError:
        raise ShapesError("is no JSON") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ShapesError("is no list of objects that map constants of the task to values")
    if len(rows) > MAX_VARIANTS:
        raise ShapesError(f"lists more than {MAX_VARIANTS}")
    return tuple(rows)


def _constants(source: str) -> dict[str, Any]:
    """Literals that the module assigns at its top level."""
    found: dict[str, Any] = {}
    for node in _parsed(source).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value)):
                found[name] = value
    return found


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source, FILENAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise TaskError(f"is not Python: {describe(error, FILENAME)}") from None


def _replaced(tree: ast.Module, overrides: Overrides) -> ast.Module:
    """The module with other values assigned to constants at its top level."""
    left = dict(overrides)
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name in overrides:
                    node.value = ast.parse(repr(overrides[name]), mode="eval").body
                    left.pop(name, None)
    if left:
        names = ", ".join(sorted(left))
        raise ShapesError(f"the task has no constant {names} at its top level")
    return ast.fix_missing_locations(tree)
