"""What can be judged by one evaluation in a lane: the program, its lane, and its arguments."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from burnish.reward_spec import RewardDefinition, RewardLimits
from burnish.rewards import GRADE_NAME, RewardFunction, check_source, imports_of
from svc_reward.lane.similarity import LIBRARIES

PRELOADABLE = ("numpy", "torch", "triton")
"""Modules whose import costs more than a score should; each after what it needs."""
MAX_WORKERS = 64
"""Processes that one evaluation can have started for it."""
DEFAULT_LIMITS = RewardLimits()
"""Nothing is asked for: the operator's defaults."""

Kind = Literal["function", "group", "grade", "similarity", "triton"]
"""As `lane.runner` knows them."""


@dataclass(frozen=True, slots=True)
class LaneClass:
    """Lanes of one class can stand in for each other.

    Attributes:
        preload: modules that are imported before any job comes.
        packages: installed packages can be imported, beyond the standard library.
        kernels: Triton kernels are judged in it.
        gpu: they run, and are timed, on a GPU that this lane has for itself.
        standby: a candidate waits in it for its job, warm: on a GPU that saves seconds.
        layer: digest of the pip packages that it shows besides; "" without any.
        limits: what the lane as a whole is made for; unset: the operator's defaults.
    """

    preload: tuple[str, ...] = ()
    packages: bool = False
    kernels: bool = False
    gpu: bool = False
    standby: bool = False
    layer: str = ""
    limits: RewardLimits = DEFAULT_LIMITS

    @classmethod
    def of(cls, function: RewardFunction, limits: RewardLimits, layer: str = "") -> Self:
        return cls.importing(function.imports, limits, layer)

    @classmethod
    def importing(cls, imports: frozenset[str], limits: RewardLimits, layer: str = "") -> Self:
        """For code that imports these modules."""
        foreign = imports - sys.stdlib_module_names - {"burnish"}
        wanted = foreign | ({"numpy", "torch"} if "triton" in foreign else set())
        preload = tuple(name for name in PRELOADABLE if name in wanted)
        return cls(preload, bool(foreign or layer), layer=layer, limits=sizes(limits))


def sizes(limits: RewardLimits) -> RewardLimits:
    """The limits that a lane is built with; time and output are kept for each evaluation."""
    return limits.model_copy(update={"seconds": None, "output_kib": None})


@dataclass(frozen=True, slots=True)
class Program:
    """A reward as a lane runs it.

    Attributes:
        kind: what the lane does with it.
        lane_class: where it can run.
        fixed: the part of the job that is the same for every completion.
        limits: of one evaluation; unset: the operator's defaults.
        takes_context: the function wants the fourth argument.
        secrets: names of what it finds in its environment.
        workers: processes that it may have started for it.
    """

    kind: Kind
    lane_class: LaneClass
    fixed: Mapping[str, object]
    limits: RewardLimits = DEFAULT_LIMITS
    takes_context: bool = False
    secrets: tuple[str, ...] = ()
    workers: int = 0

    @classmethod
    def python(cls, definition: RewardDefinition, layer: str = "") -> Self:
        """A reward function.

        Raises:
            UserError: its source holds none.
        """
        source = definition.source or ""
        found = check_source(source)
        return cls(
            kind="group" if found.group else "function",
            lane_class=LaneClass.of(found, definition.limits, layer),
            fixed={"source": source, "entry": found.entry},
            limits=definition.limits,
            takes_context=found.takes_context,
            secrets=definition.secrets,
            workers=MAX_WORKERS if "burnish" in found.imports else 0,
        )

    @classmethod
    def triton(cls, definition: RewardDefinition) -> Self:
        """The grader of kernels."""
        lane_class = LaneClass(
            PRELOADABLE, packages=True, kernels=True, limits=sizes(definition.limits)
        )
        return cls(
            kind="triton",
            lane_class=lane_class,
            fixed={"options": definition.triton.model_dump(mode="json")},
            limits=definition.limits,
            workers=MAX_WORKERS,
        )

    @classmethod
    def grade(
        cls,
        source: str,
        sample: Mapping[str, object],
        item: Mapping[str, str],
        limits: RewardLimits,
    ) -> Self:
        """An OpenAI `python` grader, for one completion."""
        imports = imports_of(source)
        return cls(
            kind="grade",
            lane_class=LaneClass.importing(imports, limits),
            fixed={"source": source, "entry": GRADE_NAME, "sample": sample, "item": item},
            limits=limits,
            workers=MAX_WORKERS if "burnish" in imports else 0,
        )

    @classmethod
    def similarity(cls, metric: str, text: str, reference: str, limits: RewardLimits) -> Self:
        """An OpenAI `text_similarity` grader, for one completion."""
        preload = (LIBRARIES[metric],) if metric in LIBRARIES else ()
        return cls(
            kind="similarity",
            lane_class=LaneClass(preload, packages=bool(preload), limits=sizes(limits)),
            fixed={"metric": metric, "input": text, "reference": reference},
            limits=limits,
        )

    def on_gpu(self) -> Self:
        """The same, on a lane that has a GPU."""
        return replace(
            self,
            lane_class=replace(self.lane_class, gpu=True, standby=True),
            fixed={**self.fixed, "device": "cuda"},
        )

    def payload(self, case: "Case", seed: int, secrets: Mapping[str, str] | None = None) -> bytes:
        """The job as only the process that runs it reads it."""
        job: dict[str, object] = {"kind": self.kind, "seed": seed, **self.fixed}
        if secrets:
            job["secrets"] = dict(secrets)
        if self.takes_context:
            job["context"] = dict(case.context)
        return json.dumps(job | case.arguments()).encode()


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: the arguments of the call.

    Attributes:
        prompt: text of the last user message.
        completion: what the model wrote.
        example: every column of the row as text.
        context: of functions that take it: job_id, step, max_steps, level.
        completions: all of a group, for rewards that compare them.
    """

    prompt: str
    completion: str
    example: Mapping[str, str] = field(default_factory=dict)
    context: Mapping[str, str | int] = field(default_factory=dict)
    completions: tuple[str, ...] = ()

    def arguments(self) -> dict[str, object]:
        found: dict[str, object] = {
            "prompt": self.prompt,
            "completion": self.completion,
            "example": dict(self.example),
        }
        if self.completions:
            found["completions"] = list(self.completions)
        return found


def last_user_text(messages: Sequence[tuple[str, str]]) -> str:
    """The prompt as rewards see it, from (role, content) pairs."""
    for role, content in reversed(messages):
        if role == "user":
            return content
    return messages[-1][1] if messages else ""
