"""What a job's stages ask for: supervised warm-up, and reinforcement learning on a curriculum."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from burnish.explain import rule
from burnish.strict import Strict

LossName: TypeAlias = Literal["cispo", "dapo", "dr_grpo", "grpo", "gspo"]
AdvantageName: TypeAlias = Literal["centered", "standardized"]
AnchorName: TypeAlias = Literal["sampler", "trainer"]
ImportanceName: TypeAlias = Literal["none", "truncated", "masked"]
OverlongName: TypeAlias = Literal["keep", "mask", "penalize"]
ScheduleName: TypeAlias = Literal["constant", "linear", "cosine"]

CLIP_DEFAULTS: Mapping[str, tuple[float, float]] = {
    "cispo": (1.0, 4.0),
    "dapo": (0.2, 0.28),
    "dr_grpo": (0.2, 0.2),
    "grpo": (0.2, 0.2),
    "gspo": (0.03, 0.04),
}
"""(clip_low, clip_high) of each loss. CISPO bounds its detached weight to [0, 5] (ScaleRL,
arXiv:2510.13786); DAPO clips higher (arXiv:2503.14476, section 3.1); GSPO's ratio is a geometric
mean over a sequence and moves far less, but the rounding between engines must fit in (decision 10);
the others clip the ratio as PPO does (arXiv:1707.06347)."""

ENUM_PREFIXES: Mapping[str, str] = {
    "loss": "LOSS_",
    "advantage": "ADVANTAGE_",
    "anchor": "ANCHOR_",
    "importance": "IMPORTANCE_",
    "overlong": "OVERLONG_",
    "schedule": "SCHEDULE_",
}


class Sampling(Strict):
    """How completions are drawn."""

    temperature: float = Field(
        default=1.0, ge=0, le=2, description="Softmax temperature; 0 is greedy."
    )
    top_p: float = Field(
        default=1.0, gt=0, le=1, description="Nucleus mass that is kept; 1 keeps all."
    )
    max_tokens: int = Field(
        default=512, ge=1, le=32768, description="Tokens after which one is cut."
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="Of the draws; unset: the job's."
    )
    stop: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = Field(
        default=(), max_length=8, description="Strings that end a completion."
    )


class EvaluationSampling(Sampling):
    """How held-out rows are answered: greedily, unless asked otherwise."""

    temperature: float = Field(
        default=0.0, ge=0, le=2, description="Softmax temperature; 0 is greedy."
    )


class Optimizing(Strict):
    """How both kinds of stages step."""

    warmup_steps: int = Field(
        default=0, ge=0, le=100_000, description="Steps over which the learning rate rises from 0."
    )
    schedule: ScheduleName = Field(
        default="constant", description="How the learning rate falls to 0 after the warm-up."
    )
    max_grad_norm: float = Field(
        default=1.0, gt=0, le=1000, description="Gradient norm above which a step is scaled down."
    )


class SftStage(Optimizing):
    """Supervised warm-up on the labelled rows (those with a `completion`)."""

    epochs: int = Field(default=5, ge=1, le=1000, description="Passes over the labelled rows.")
    batch_size: int = Field(default=4, ge=1, le=4096, description="Rows per optimizer step.")
    learning_rate: float = Field(default=1e-4, gt=0, le=1, description="Step size of AdamW.")


class Adaptive(Strict):
    """Rows are drawn by the share of their completions that passed last time."""

    easy_from: float = Field(
        default=0.9, gt=0, le=1, description="Pass rate from which a row is easy."
    )
    hard_to: float = Field(
        default=0.1, ge=0, lt=1, description="Pass rate up to which a row is hard."
    )
    easy_weight: float = Field(
        default=0.2,
        ge=0,
        le=100,
        description="How often easy rows are drawn; normal and unseen: 1.",
    )
    hard_weight: float = Field(
        default=0.2,
        ge=0,
        le=100,
        description="How often hard rows are drawn; normal and unseen: 1.",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hard_to >= self.easy_from:
            raise rule("hard_to", "`hard_to` must be below `easy_from`")
        return self


class Curriculum(Strict):
    """Levels that open in order, rows drawn by their pass rate, or both."""

    level_column: str = Field(
        default="", max_length=128, description="Column with each row's level; empty: one level."
    )
    levels: tuple[str, ...] = Field(
        default=(), max_length=256, description="Their order; empty: by value."
    )
    promote_at: float = Field(
        default=0.7, description="Mean of `measure` at which the next level opens."
    )
    window: int = Field(
        default=16, ge=1, le=100_000, description="Newest groups of a level that are averaged."
    )
    measure: str = Field(
        default="", description="Score, or `<score>/<part>`, that promotes; empty: the reward."
    )
    rehearsal: float = Field(
        default=0.2, ge=0, lt=1, description="Share of draws from levels below the newest."
    )
    max_steps_per_level: int = Field(
        default=0, ge=0, le=100_000, description="Steps after which the next level opens anyway."
    )
    adaptive: Adaptive | None = Field(default=None, description="Draw rows by their pass rate.")

    @field_validator("levels", mode="before")
    @classmethod
    def _numbers_as_text(cls, levels: object) -> object:
        if not isinstance(levels, list | tuple):
            return levels
        number = (int, float)
        return [
            str(one) if isinstance(one, number) and not isinstance(one, bool) else one
            for one in levels
        ]

    @model_validator(mode="after")
    def _chooses(self) -> Self:
        if not self.level_column and self.adaptive is None:
            raise rule("", "a curriculum needs `level_column`, `adaptive`, or both")
        if self.levels and not self.level_column:
            raise rule("levels", "`levels` orders the values of a `level_column`")
        if len(set(self.levels)) != len(self.levels):
            raise rule("levels", "a level is given twice")
        if any(not name.strip() for name in self.levels):
            raise rule("levels", "a level needs a name")
        return self


class RlStage(Optimizing):
    """Policy-gradient steps on groups of completions that the rewards score."""

    steps: int = Field(default=100, ge=1, le=100_000, description="Optimizer steps.")
    prompts_per_step: int = Field(default=16, ge=1, le=4096, description="Prompt rows per step.")
    group_size: int = Field(default=8, ge=2, le=256, description="Completions per prompt row (G).")
    learning_rate: float = Field(default=5e-5, gt=0, le=1, description="Step size of AdamW.")
    loss: LossName = Field(default="cispo", description="Policy-gradient objective.")
    advantage: AdvantageName = Field(
        default="centered", description="Reward minus group mean, optionally over group deviation."
    )
    sampling: Sampling = Field(default=Sampling(), description="How completions are drawn.")
    max_staleness: int = Field(
        default=4,
        ge=0,
        le=64,
        description="Steps by which the sampling policy may lag; 0 is on-policy.",
    )
    sft_replay: float = Field(
        default=0.0, ge=0, le=10, description="Weight of cross-entropy on labelled rows; 0 is off."
    )
    require_success: str = Field(
        default="", description="Use only groups with a completion that scores > 0 on this reward."
    )
    clip_low: float = Field(gt=0, le=1, description="Ratio's lower bound is 1 - clip_low.")
    clip_high: float = Field(gt=0, le=100, description="Ratio's upper bound is 1 + clip_high.")
    kl_weight: float = Field(
        default=0.0, ge=0, le=10, description="Weight of the k3 KL estimate to the base; 0 is off."
    )
    anchor: AnchorName = Field(
        default="sampler",
        description="Old policy of the loss's ratio: who sampled, or the trainer.",
    )
    importance: ImportanceName = Field(
        default="none", description="Weight for the gap between trainer and sampler."
    )
    importance_low: float = Field(
        default=0.5, ge=0, lt=1, description="Least ratio that `masked` keeps."
    )
    importance_high: float = Field(
        default=2.0, gt=1, le=1000, description="Cap of `truncated`, greatest ratio of `masked`."
    )
    overlong: OverlongName = Field(
        default="keep", description="What happens to completions that were cut."
    )
    overlong_buffer: int = Field(
        default=0, ge=0, le=32768, description="Tokens over which `penalize` grows to 1."
    )
    max_resample: float = Field(
        default=3.0,
        gt=0,
        le=1000,
        description="Groups without a lesson, in batches, after which a step makes do.",
    )
    curriculum: Curriculum | None = Field(default=None, description="Which rows are drawn.")

    @model_validator(mode="before")
    @classmethod
    def _clip_of_loss(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            return data
        low, high = CLIP_DEFAULTS.get(str(data.get("loss", "cispo")), CLIP_DEFAULTS["cispo"])
        return {"clip_low": low, "clip_high": high, **data}

    @model_validator(mode="after")
    def _samples_from_the_policy(self) -> Self:
        if self.sampling.top_p != 1:
            raise rule(
                "sampling.top_p",
                "`top_p` must be 1 in training: cutting the tail biases the importance ratio",
            )
        if self.sampling.temperature == 0:
            raise rule(
                "sampling.temperature",
                "`temperature` must be above 0 in training: greedy groups are all alike",
            )
        return self

    @model_validator(mode="after")
    def _corrects_once(self) -> Self:
        if self.anchor == "sampler" and self.importance != "none":
            raise rule(
                "importance",
                f"`importance: {self.importance}` counts the sampler's gap a second time: "
                "the ratio to `anchor: sampler` holds it already",
                "set `anchor: trainer`, or `importance: none`",
            )
        return self

    @model_validator(mode="after")
    def _penalizes_over_some_tokens(self) -> Self:
        if (self.overlong == "penalize") != (self.overlong_buffer > 0):
            raise rule("overlong_buffer", "`overlong: penalize` and `overlong_buffer` go together")
        if self.overlong_buffer > self.sampling.max_tokens:
            raise rule(
                "overlong_buffer", "`overlong_buffer` must not be above `sampling.max_tokens`"
            )
        return self


class Stage(Strict):
    """One stage: exactly one of its kinds."""

    sft: SftStage | None = Field(default=None, description="Supervised warm-up.")
    rl: RlStage | None = Field(default=None, description="Reinforcement learning.")

    @model_validator(mode="before")
    @classmethod
    def _one_kind(cls, data: object) -> object:
        if not isinstance(data, Mapping):
            raise rule("", "a stage is a mapping such as `sft: {epochs: 5}`")
        if len(data) != 1:
            raise rule("", "a stage has exactly one kind: `sft` or `rl`")
        return {kind: {} if options is None else options for kind, options in data.items()}
