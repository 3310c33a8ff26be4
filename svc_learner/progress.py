"""Where a job stands, in a form that outlives the process: everything but tensors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from svc_learner.reward_sets import FIRST, RewardChange
from svc_learner.types import StepRecord, Ticket


@dataclass(frozen=True, slots=True)
class OpenEvaluation:
    """An evaluation whose groups were dispatched and whose result is not out yet."""

    label: str
    policy_version: int
    adapter: str


@dataclass(slots=True)
class Progress:
    """Taken at a step boundary, or between two phases of the plan.

    No random state: every draw of the learner is a pure function of the job's seed and a counter
    that stands here.
    """

    phase: int = 0
    """Index in the job's plan."""
    version: int = 0
    """Optimizer steps over all stages: the policy version."""
    step: int = 0
    """Optimizer steps of the present stage."""
    drawn: int = 0
    """Rows that the present stage's sampler has drawn."""
    barren: int = 0
    """Groups in a row, over all steps, that taught nothing."""
    reward_low: float | None = None
    reward_high: float | None = None
    """The least and the greatest reward that any completion of the job got."""
    cursor: int = 0
    frontier: dict[str, int] = field(default_factory=dict)
    open: list[Ticket] = field(default_factory=list)
    evaluations: list[OpenEvaluation] = field(default_factory=list)
    steps_to_announce: list[StepRecord] = field(default_factory=list)
    """Durable with this checkpoint; their events may not be out yet."""
    reward_set: int = FIRST
    """Number of the rewards that new groups carry."""
    reward_changes: list[RewardChange] = field(default_factory=list)
    """As `steps_to_announce`."""

    @classmethod
    def beginning(cls, reward_set: int) -> Self:
        """Of a job whose rewards may have been updated while it was queued."""
        changes = [RewardChange(1, FIRST, reward_set)] if reward_set != FIRST else []
        return cls(reward_set=reward_set, reward_changes=changes)

    def observe(self, reward: float) -> None:
        low, high = self.reward_low, self.reward_high
        self.reward_low = reward if low is None else min(low, reward)
        self.reward_high = reward if high is None else max(high, reward)

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        data: dict[str, Any] = json.loads(content)
        for key, kind in _NESTED.items():
            data[key] = [kind(**item) for item in data.get(key, ())]
        return cls(**data)


_NESTED: Mapping[str, Any] = {
    "open": Ticket,
    "evaluations": OpenEvaluation,
    "steps_to_announce": StepRecord,
    "reward_changes": RewardChange,
}
