"""What the client returns: plain frozen values; the wire's types stay inside the SDK."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from burnish.reward_spec import RewardDefinition
from burnish.spec import JobSpec

FINISHED = frozenset({"succeeded", "failed", "cancelled"})
PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class File:
    """An uploaded dataset."""

    id: str
    filename: str
    rows: int
    columns: tuple[str, ...]
    labelled_rows: int
    """Rows with a `completion`: the ones that SFT learns from."""
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class RewardWarning:
    """A remark on a reward's source; it says nothing about the result."""

    line: int
    """From 1; 0 is the whole source."""
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class Reward:
    """One immutable revision of a reward."""

    name: str
    revision: str
    """SHA-256 of the definition."""
    definition: RewardDefinition
    warnings: tuple[RewardWarning, ...]
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class RewardVerdict:
    """What a reward said of one sample completion."""

    status: str
    score: float | None
    message: str
    stdout: str
    seconds: float
    cpu_ms: float
    isolation: str
    parts: Mapping[str, float]
    flags: tuple[str, ...]
    image: str
    seed: int


@dataclass(frozen=True, slots=True)
class Adapter:
    """An immutable LoRA adapter, `<job>:v<k>`."""

    name: str
    base_model: str
    job_id: str
    policy_version: int
    rank: int


@dataclass(frozen=True, slots=True)
class RewardRef:
    """A revision of a reward as a job uses it; a weight of 0 only watches."""

    name: str
    revision: str
    weight: float
    group: bool


@dataclass(frozen=True, slots=True)
class RewardSet:
    """What a job's completions are scored by, from some step on. Sets never change."""

    number: int
    """From 1, the job's own."""
    rewards: tuple[RewardRef, ...]
    from_step: int
    """0: from the step boundary that came next."""
    repeats: int
    """For a rollback, the number of the set that it repeats."""
    reason: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job has used so far, by the units of its budget."""

    tokens: int
    seconds: float
    steps: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that stays: a job can be forked from it."""

    step: int
    """Counted over all stages, from 1."""
    stage: str
    stage_step: int
    reasons: tuple[str, ...]
    """"newest", "best", "stage", "periodic" or "evaluation"."""
    adapter: Adapter | None
    measure: float | None
    """Of the evaluation of this step, where there was one."""
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Job:
    """A job and how far it is."""

    id: str
    spec: JobSpec
    state: str
    """"queued", "running", "paused", "succeeded", "failed" or "cancelled"."""
    stage: str
    step: int
    total_steps: int
    message: str
    created_at: datetime | None
    finished_at: datetime | None
    adapter: Adapter | None
    best_adapter: Adapter | None
    """Of the best evaluation so far."""
    metrics: Mapping[str, float]
    reward_sets: tuple[RewardSet, ...]
    """Oldest first; those behind the one in force wait for their step."""
    reward_set: int
    """Number of the set that new groups carry."""
    usage: Usage | None = None
    """Unset before the first step."""
    resumes: int = 0
    """How often it was resumed."""
    bottleneck: str = ""
    """What holds it up most, in a sentence; empty before the first RL step."""

    @property
    def finished(self) -> bool:
        return self.state in FINISHED


@dataclass(frozen=True, slots=True)
class Score:
    """The verdict of one reward function on one completion."""

    name: str
    revision: str
    status: str
    value: float | None
    """Set if and only if the status is "ok"."""
    weight: float
    message: str
    stdout: str
    seconds: float
    cpu_ms: float
    isolation: str
    flags: tuple[str, ...]
    parts: Mapping[str, float]
    image: str
    """Digest of the image that it ran in; empty where there is none."""
    seed: int


@dataclass(frozen=True, slots=True)
class Completion:
    """A completion that was sampled for a job, with its scores."""

    completion_id: str
    group_id: str
    row_id: str
    prompt: str
    completion: str
    reward: float | None
    scores: tuple[Score, ...]
    policy_version: int
    step: int
    purpose: str
    tokens: int


@dataclass(frozen=True, slots=True)
class RescoredCompletion:
    """A stored completion, and what another reward says of it."""

    completion: Completion
    verdict: RewardVerdict


@dataclass(frozen=True, slots=True)
class JobUpdated:
    """A job changed its state, stage or message."""

    job_id: str
    state: str
    stage: str
    message: str
    total_steps: int
    time: datetime | None
    resumes: int = 0
    """How often the job had been resumed then."""


@dataclass(frozen=True, slots=True)
class StepCompleted:
    """One optimizer step is durable."""

    job_id: str
    stage: str
    step: int
    total_steps: int
    metrics: Mapping[str, float]
    time: datetime | None
    bottleneck: str = ""
    """What held this step up most, in a sentence."""
    usage: Usage | None = None
    """Of the job up to here."""


@dataclass(frozen=True, slots=True)
class PolicyPublished:
    """A new adapter can be used."""

    job_id: str
    adapter: Adapter
    time: datetime | None


@dataclass(frozen=True, slots=True)
class RewardsUpdated:
    """From `step` on, new groups carry another set of rewards."""

    job_id: str
    step: int
    before: RewardSet
    after: RewardSet
    reason: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class EvaluatedCompletion:
    """An answer to a held-out row."""

    row_id: str
    prompt: str
    completion: str
    reward: float | None
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class EvaluationCompleted:
    """The held-out rows were sampled and scored with one policy version."""

    job_id: str
    label: str
    """"base" or "start", "sft", "step-<k>" or "final"."""
    policy_version: int
    adapter: str
    reward_mean: float
    score_means: Mapping[str, float]
    """By score, and by part as `<score>/<part>`."""
    completions: tuple[EvaluatedCompletion, ...]
    time: datetime | None
    pass_at: Mapping[int, float]
    """pass@k by k."""
    samples: int
    """Completions per row."""
    best: bool
    """Whether it was the best so far."""
    gap: float | None
    """Training reward of the newest steps minus `reward_mean`; None before RL."""


@dataclass(frozen=True, slots=True)
class CurriculumAdvanced:
    """A curriculum opened a level."""

    job_id: str
    step: int
    level: str
    number: int
    """The level's place, from 1, among `levels`."""
    levels: int
    message: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class AlarmRaised:
    """A sign that the reward is being gamed, or that training goes wrong."""

    job_id: str
    step: int
    kind: str
    """"dominance", "collapse", "length_drift" or "gap"."""
    message: str
    value: float
    threshold: float
    paused: bool
    """Whether the job pauses for it."""
    time: datetime | None


JobEvent: TypeAlias = (
    JobUpdated
    | StepCompleted
    | PolicyPublished
    | EvaluationCompleted
    | RewardsUpdated
    | CurriculumAdvanced
    | AlarmRaised
)


@dataclass(frozen=True, slots=True)
class WatchedEvent:
    """An event and its place in the log: pass the sequence to resume after it."""

    sequence: int
    event: JobEvent


@dataclass(frozen=True, slots=True)
class Model:
    """Something that can answer a chat."""

    id: str
    job_id: str
    """Empty for a base model."""
    base_model: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """What one service instance is doing now."""

    service: str
    instance: str
    version: str
    activity: str
    base_models: tuple[str, ...]
    metrics: Mapping[str, float]
    details: Mapping[str, str]
    time: datetime | None
