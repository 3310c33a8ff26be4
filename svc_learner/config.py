"""Settings of the learner."""

from typing import Literal

from pydantic import Field

from burnish.config import ServiceSettings


class LearnerSettings(ServiceSettings):
    """Read from `BURNISH_*`."""

    learner_jobs: int = Field(
        4, ge=1, le=16, description="Jobs that one learner runs at once, on one copy of the base."
    )
    learner_base_models: str = Field(
        "",
        pattern=r"^[^\s,]*(\s*,\s*[^\s,]+)*$",
        description="Base models whose jobs this learner runs, with commas; empty: of all.",
    )
    learner_base_idle_seconds: float = Field(
        600, ge=0, description="Time after which a base model that no job uses is freed."
    )
    learner_move_seconds: float = Field(
        30,
        ge=0,
        description="Least time between two moves of jobs to a less busy learner; 0 moves none.",
    )
    learner_device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="Where training runs."
    )
    learner_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Of the base weights; adapters are always float32."
    )
    learner_threads: int = Field(1, ge=1, le=256, description="CPU threads of the training math.")
    learner_rank_seconds: float = Field(
        600,
        gt=0,
        description="Silence of another rank in a pass after which a sharded learner ends.",
    )
    learner_batch_tokens: int = Field(
        512, ge=16, le=1_000_000, description="Tokens of one forward and backward pass."
    )
    learner_gradient_checkpointing: bool = Field(
        default=False,
        description="Compute layers again in the backward pass: less memory, a third more time.",
    )
    learner_groups: int = Field(
        64, ge=1, le=4096, description="Most groups of one job in flight at once."
    )
    learner_group_seconds: float = Field(
        600, gt=0, description="Silence after which a group that is still missing scores ends."
    )
    learner_stall_seconds: float = Field(
        15, gt=0, description="Silence after which the job's message says what it waits for."
    )
    learner_checkpoint_seconds: float = Field(
        5, ge=0, description="Time between checkpoints of supervised steps; RL saves each step."
    )
