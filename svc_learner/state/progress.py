"""Where a job stands, in a form that outlives the process: everything but tensors."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from burnish.budgets import Usage
from svc_learner.alarms import AlarmState
from svc_learner.curriculum import CurriculumState
from svc_learner.evaluation.standing import Best, Patience
from svc_learner.state.reward_sets import FIRST, RewardChange
from svc_learner.types import Advance, Alarm, StepRecord, Ticket


@dataclass(frozen=True, slots=True)
class OpenEvaluation:
    """An evaluation whose groups were dispatched and whose result is not out yet."""

    label: str
    policy_version: int
    adapter: str
    phase: int = 0
    """In which it began."""
    reward_set: int = FIRST
    """What it is judged by."""
    training_reward: float | None = None
    """Mean of the newest RL steps when it began; None before there was one."""


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
    usage: Usage = field(default_factory=Usage)
    cursor: int = 0
    frontier: dict[str, int] = field(default_factory=dict)
    open: list[Ticket] = field(default_factory=list)
    evaluations: list[OpenEvaluation] = field(default_factory=list)
    evaluated: str = ""
    """Label of the newest evaluation that has begun: it does not begin again."""
    steps_to_announce: list[StepRecord] = field(default_factory=list)
    """Durable with this checkpoint; their events may not be out yet."""
    reward_set: int = FIRST
    """Number of the rewards that new groups carry."""
    reward_changes: list[RewardChange] = field(default_factory=list)
    """As `steps_to_announce`."""
    curriculum: CurriculumState | None = None
    """Of the present stage."""
    advances: list[Advance] = field(default_factory=list)
    """As `steps_to_announce`."""
    best: Best | None = None
    patience: Patience = field(default_factory=Patience)
    """Of the present stage."""
    alarm_state: AlarmState = field(default_factory=AlarmState)
    """Of the newest RL stage."""
    alarms: list[Alarm] = field(default_factory=list)
    """As `steps_to_announce`."""

    @classmethod
    def beginning(cls, reward_set: int) -> Self:
        """Of a job whose rewards may have been updated while it was queued."""
        changes = [RewardChange(1, FIRST, reward_set)] if reward_set != FIRST else []
        return cls(reward_set=reward_set, reward_changes=changes)

    @property
    def seen(self) -> tuple[float, float] | None:
        """The least and the greatest reward so far."""
        low, high = self.reward_low, self.reward_high
        return None if low is None or high is None else (low, high)

    def observe(self, reward: float) -> None:
        low, high = self.reward_low, self.reward_high
        self.reward_low = reward if low is None else min(low, reward)
        self.reward_high = reward if high is None else max(high, reward)

    def begin_next_phase(self) -> None:
        """Forget what belongs to the phase that has ended."""
        self.phase += 1
        self.step = self.drawn = self.barren = 0
        self.curriculum = None
        self.patience = Patience()

    def forget_announcements(self) -> None:
        """A checkpoint holds them, and whoever holds it announces them."""
        self.steps_to_announce = []
        self.reward_changes = []
        self.advances = []
        self.alarms = []

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        data: dict[str, Any] = json.loads(content)
        for key, kind in _NESTED.items():
            data[key] = [kind(**item) for item in data.get(key, ())]
        data["usage"] = Usage(**data.get("usage", {}))
        if data.get("curriculum"):
            data["curriculum"] = CurriculumState.from_json(data["curriculum"])
        if data.get("best"):
            data["best"] = Best(**data["best"])
        data["patience"] = Patience(**data.get("patience", {}))
        if "alarm_state" in data:
            data["alarm_state"] = AlarmState.from_json(data["alarm_state"])
        data["steps_to_announce"] = [_step(item) for item in data.get("steps_to_announce", ())]
        return cls(**data)


def _step(data: Mapping[str, Any]) -> StepRecord:
    return StepRecord(**{**data, "usage": Usage(**data.get("usage", {}))})


_NESTED: Mapping[str, Any] = {
    "open": Ticket,
    "evaluations": OpenEvaluation,
    "reward_changes": RewardChange,
    "advances": Advance,
    "alarms": Alarm,
}
