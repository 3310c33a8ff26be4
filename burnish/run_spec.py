"""How a job is watched and bounded: evaluation, early stopping, budgets, alarms, checkpoints."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from burnish.explain import rule
from burnish.stage_spec import EvaluationSampling
from burnish.strict import Strict

AlarmActionName: TypeAlias = Literal["warn", "pause"]


class Evaluation(Strict):
    """When and how the held-out rows are answered."""

    every_steps: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="RL steps between; 0: base, after SFT and at the end.",
    )
    samples: int = Field(default=1, ge=1, le=64, description="Completions per held-out row.")
    sampling: EvaluationSampling = Field(
        default=EvaluationSampling(), description="How completions are drawn."
    )
    pass_at: tuple[Annotated[int, Field(ge=1, le=64)], ...] = Field(
        default=(1,), max_length=8, description="Reports pass@k for each k."
    )
    best_by: str = Field(
        default="", description="Score, or `<score>/<part>`, of the best; empty: the reward."
    )

    @model_validator(mode="after")
    def _enough_samples(self) -> Self:
        if any(k > self.samples for k in self.pass_at):
            raise rule(
                "pass_at", f"pass@k needs k completions per row: `samples` is {self.samples}"
            )
        if self.samples > 1 and self.sampling.temperature == 0:
            raise rule(
                "sampling.temperature",
                "`temperature` must be above 0 with several `samples`: greedy ones are all alike",
            )
        return self


class Success(Strict):
    """What counts as a pass."""

    score: str = Field(
        default="", description="Score, or `<score>/<part>`; empty: the combined reward."
    )
    at_least: float = Field(default=1.0, description="Value from which a completion passes.")


class EarlyStopping(Strict):
    """When RL ends before its last step, judged at each evaluation."""

    patience: int = Field(
        default=0, ge=0, le=1000, description="Evaluations without improvement; 0 is off."
    )
    min_delta: float = Field(default=0.0, ge=0, description="Least rise that is an improvement.")
    target: float | None = Field(default=None, description="Value at which training is done.")


class Budget(Strict):
    """What a job may use before it pauses with a checkpoint; 0 is no limit."""

    tokens: int = Field(default=0, ge=0, lt=2**63, description="Of prompts and completions.")
    seconds: float = Field(default=0, ge=0, description="Of running, pauses aside.")
    steps: int = Field(default=0, ge=0, lt=2**63, description="Optimizer steps over all stages.")


class Alarms(Strict):
    """Signs that a reward is being gamed; a threshold of 0 is off."""

    dominance: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="Share of the reward's rise from one component while another falls.",
    )
    collapse: float = Field(
        default=0.9, ge=0, le=1, description="Share of groups whose rewards are all equal."
    )
    length_drift: float = Field(
        default=3.0, ge=0, le=1000, description="Factor by which completions grew or shrank."
    )
    gap: float = Field(
        default=0.3, ge=0, description="Growth of training reward minus held-out reward."
    )
    action: AlarmActionName = Field(default="warn", description="Warn, or pause as well.")
    window: int = Field(default=5, ge=1, le=1000, description="Steps that are averaged.")

    @model_validator(mode="after")
    def _factor_above_one(self) -> Self:
        if 0 < self.length_drift <= 1:
            raise rule("length_drift", "`length_drift` must be above 1, or 0 to turn it off")
        return self


class Checkpoints(Strict):
    """Which checkpoints stay beside the newest, the best and those at the end of a stage."""

    every_steps: int = Field(default=0, ge=0, le=100_000, description="Steps between; 0: none.")
    keep: int = Field(default=3, ge=1, le=1000, description="How many of them, newest first.")


class CheckpointRef(Strict):
    """A kept checkpoint of a job."""

    job_id: str = Field(min_length=1, max_length=128, description="The job.")
    step: int = Field(ge=1, description="Its step, counted over all stages.")


class Start(Strict):
    """Where a job begins, instead of a fresh adapter: exactly one of these."""

    adapter: str | None = Field(
        default=None, pattern=r"^.+:v\d+$", description="Weights of a published adapter."
    )
    file: str | None = Field(
        default=None, min_length=1, max_length=4096, description="Uploaded PEFT adapter, or a path."
    )
    checkpoint: CheckpointRef | None = Field(
        default=None, description="Weights, optimizer, curriculum and step."
    )

    @model_validator(mode="before")
    @classmethod
    def _one_origin(cls, data: object) -> object:
        if isinstance(data, Mapping) and len(data) != 1:
            raise rule("", "a start is one of `adapter`, `file` and `checkpoint`")
        return data
