"""A job's phases, in order: pure arithmetic over its spec."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from burnish.spec import JobSpec
from burnish.stage_spec import RlStage, SftStage


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Answer the held-out rows with the present policy."""

    label: str

    stage = "evaluation"


@dataclass(frozen=True, slots=True)
class Sft:
    index: int
    config: SftStage

    stage = "sft"


@dataclass(frozen=True, slots=True)
class Rl:
    index: int
    config: RlStage

    stage = "rl"


Phase: TypeAlias = Evaluate | Sft | Rl


def phases(spec: JobSpec) -> Sequence[Phase]:
    """Evaluations stand before, after each supervised stage, and at the end, where rows exist."""
    plan: list[Phase] = []
    stages = [_stage(index, spec) for index in range(len(spec.stages))]
    for number, stage in enumerate(stages):
        plan.append(stage)
        if isinstance(stage, Sft) and number < len(stages) - 1:
            plan.append(Evaluate("sft" if Evaluate("sft") not in plan else f"sft-{number}"))
    if not spec.evaluation_file or not spec.rewards:
        return [phase for phase in plan if not isinstance(phase, Evaluate)]
    # A job that begins with an adapter is compared with that one.
    return [Evaluate("start" if spec.start else "base"), *plan, Evaluate("final")]


def sft_steps(stage: SftStage, labelled: int) -> int:
    return stage.epochs * math.ceil(labelled / stage.batch_size)


def total_steps(plan: Sequence[Phase], labelled: int) -> int:
    """Optimizer steps over all stages."""
    return sum(
        sft_steps(phase.config, labelled) if isinstance(phase, Sft) else phase.config.steps
        for phase in plan
        if not isinstance(phase, Evaluate)
    )


def _stage(index: int, spec: JobSpec) -> Sft | Rl:
    stage = spec.stages[index]
    if stage.sft is not None:
        return Sft(index, stage.sft)
    if stage.rl is not None:
        return Rl(index, stage.rl)
    raise ValueError(f"stage {index} has no kind")
