"""A kernel task: PyTorch source with `Model`, `get_inputs` and `get_init_inputs`.

Nothing is executed here: running a task is for the sandbox.
"""

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.tasks.prompt import ask

MODEL = "Model"
FUNCTIONS = ("get_inputs", "get_init_inputs")

Shapes = tuple[Mapping[str, int], ...]
"""Other values for the task's module constants, one mapping for each hidden shape."""


class Unusable(Exception):  # noqa: N818 - a verdict on a task, not an error of this program
    """A source is not a kernel task; says why."""


@dataclass(frozen=True, slots=True)
class KernelTask:
    """What a model is to rewrite.

    Attributes:
        id: unique in a file of tasks.
        name: for people.
        level: difficulty, from 1.
        source: the PyTorch module.
        shapes: what the grader tries besides the source's own sizes.
    """

    id: str
    name: str
    level: int
    source: str
    shapes: Shapes = ()

    def row(self) -> dict[str, Any]:
        """The task as a row of a dataset that `reward: triton` judges."""
        row: dict[str, Any] = {
            "prompt": ask(self.source),
            "task": self.source,
            "id": self.id,
            "name": self.name,
            "level": self.level,
        }
        if self.shapes:
            row["shapes"] = json.dumps(self.shapes)
        return row


def examine(source: str) -> None:
    """Check that a source has what a task needs.

    Raises:
        Unusable: naming what is missing.
    """
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError) as error:
        raise Unusable(f"does not parse: {error}") from None
    except RecursionError:
        raise Unusable("does not parse: it is nested too deeply") from None
    model = next((n for n in body if isinstance(n, ast.ClassDef) and n.name == MODEL), None)
    if model is None:
        raise Unusable(f"has no class `{MODEL}` at its top level")
    if "forward" not in _functions(model.body):
        raise Unusable(f"`{MODEL}` has no method `forward`")
    missing = [name for name in FUNCTIONS if name not in _functions(body)]
    if missing:
        raise Unusable(f"has no function {' and '.join(f'`{name}`' for name in missing)}")


def _functions(body: Sequence[ast.stmt]) -> set[str]:
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}
