"""What a reward function is given, and in which kind of lane it runs."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from burnish.rewards import RewardFunction, check_source

PRELOADABLE = ("numpy", "torch", "triton")
"""Modules whose import costs more than a score should; each after what it needs."""


@dataclass(frozen=True, slots=True)
class LaneClass:
    """Lanes of one class can stand in for each other.

    Attributes:
        preload: modules that are imported before any job comes.
        packages: installed packages can be imported, beyond the standard library.
    """

    preload: tuple[str, ...] = ()
    packages: bool = False

    @classmethod
    def of(cls, function: RewardFunction) -> "LaneClass":
        foreign = function.imports - sys.stdlib_module_names
        wanted = foreign | ({"numpy", "torch"} if "triton" in foreign else set())
        return cls(tuple(name for name in PRELOADABLE if name in wanted), bool(foreign))


@dataclass(frozen=True, slots=True)
class Function:
    """A reward's source, ready to be called."""

    name: str
    revision: str
    source: str
    entry: str
    takes_context: bool
    lane_class: LaneClass

    @classmethod
    def parse(cls, name: str, revision: str, source: str) -> "Function":
        """Check a source.

        Raises:
            UserError: it holds no reward function.
        """
        found = check_source(source)
        return cls(name, revision, source, found.entry, found.takes_context, LaneClass.of(found))


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: the arguments of the call.

    Attributes:
        prompt: text of the last user message.
        completion: what the model wrote.
        example: every column of the row as text.
        context: of functions that take it: job_id, step, max_steps, level.
    """

    prompt: str
    completion: str
    example: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str | int] = field(default_factory=dict)


def payload(function: Function, case: Case) -> bytes:
    """The job as only the child that runs it reads it."""
    call: dict[str, object] = {
        "source": function.source,
        "entry": function.entry,
        "prompt": case.prompt,
        "completion": case.completion,
        "example": dict(case.example),
    }
    if function.takes_context:
        call["context"] = dict(case.context)
    return json.dumps(call).encode()


def last_user_text(messages: Sequence[tuple[str, str]]) -> str:
    """The prompt as rewards see it, from (role, content) pairs."""
    for role, content in reversed(messages):
        if role == "user":
            return content
    return messages[-1][1] if messages else ""
