"""What a job asks for: the YAML or JSON that people write, checked field by field.

A spec enters as YAML, as a mapping or as the wire's `JobSpec` and is the same object afterwards.
Field names equal the wire's, so the conversion is a table of enum prefixes and nothing else. On the
wire a zero means "the default" wherever a zero could not be meant.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import yaml
from google.protobuf import json_format
from pydantic import Field, ValidationError, model_validator

from burnish.errors import UserError
from burnish.explain import explain, nearest, rule
from burnish.reward_spec import TRITON_PARTS, Reward
from burnish.strict import Strict
from burnish.v1 import job_pb2

LossName: TypeAlias = Literal["cispo", "dr_grpo", "grpo"]
AdvantageName: TypeAlias = Literal["centered", "standardized"]
OnRewardErrorName: TypeAlias = Literal["zero", "drop", "fail"]

CLIP_DEFAULTS: Mapping[str, tuple[float, float]] = {
    "cispo": (1.0, 4.0),
    "dr_grpo": (0.2, 0.2),
    "grpo": (0.2, 0.2),
}
"""(clip_low, clip_high) of each loss. CISPO bounds its detached weight to [0, 5] (ScaleRL,
arXiv:2510.13786); the others clip the ratio as PPO does (arXiv:1707.06347)."""

_ENUM_PREFIXES: Mapping[str, str] = {
    "loss": "LOSS_",
    "advantage": "ADVANTAGE_",
    "on_reward_error": "ON_REWARD_ERROR_",
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


class SftStage(Strict):
    """Supervised warm-up on the labelled rows (those with a `completion`)."""

    epochs: int = Field(default=5, ge=1, le=1000, description="Passes over the labelled rows.")
    batch_size: int = Field(default=4, ge=1, le=4096, description="Rows per optimizer step.")
    learning_rate: float = Field(default=1e-4, gt=0, le=1, description="Step size of AdamW.")


class RlStage(Strict):
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


class Lora(Strict):
    """The adapter's shape; it covers all linear layers."""

    rank: int = Field(default=16, ge=1, le=512, description="Rank of each update.")
    alpha: float = Field(
        default=32.0, gt=0, le=4096, description="Scale: updates count alpha / rank."
    )


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


class JobSpec(Strict):
    """A whole job. Use `parse`, `from_yaml` or `from_proto`: they say what is wrong in words."""

    name: str = Field(
        default="job", pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,62}$", description="Name for people."
    )
    base_model: str = Field(
        default="smollm2-135m-instruct",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="Base model that the adapter belongs to.",
    )
    training_file: str = Field(min_length=1, max_length=4096, description="File id, or a path.")
    evaluation_file: str = Field(
        default="", max_length=4096, description="Held-out rows: file id, or a path."
    )
    rewards: tuple[Reward, ...] = Field(default=(), max_length=16, description="Reward functions.")
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=16, description="In order.")
    lora: Lora = Field(default=Lora(), description="The adapter's shape.")
    evaluation: Evaluation = Field(default=Evaluation(), description="Held-out evaluation.")
    on_reward_error: OnRewardErrorName = Field(
        default="zero", description="What an error of a reward's own code does to its completion."
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Of the whole job.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [reward.name for reward in self.rewards]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise rule(f"rewards[{index}].name", f"two rewards are named `{name}`")
        for index, stage in enumerate(self.stages):
            if stage.rl is not None:
                self._check_rl(f"stages[{index}].rl", stage.rl, names)
        return self

    def _check_rl(self, field: str, stage: RlStage, names: list[str]) -> None:
        if not names:
            raise rule("rewards", "an `rl` stage needs at least one reward function")
        if all(reward.weight == 0 for reward in self.rewards):
            raise rule("rewards", "an `rl` stage needs a reward whose weight is not 0")
        known = [*names, *(f"{each.name}/{part}" for each in self.rewards for part in TRITON_PARTS)]
        if stage.require_success and stage.require_success not in known:
            raise rule(
                f"{field}.require_success",
                f"`{stage.require_success}` is not one of the job's rewards",
                nearest(stage.require_success, names, "rewards"),
            )

    @classmethod
    def parse(cls, data: object) -> Self:
        """Check a mapping as YAML or JSON gives it.

        Raises:
            UserError: The first thing that is wrong, with the field and what would be right.
        """
        if not isinstance(data, Mapping):
            raise UserError(
                "a job is a mapping with keys such as `training_file`, `rewards` and `stages`"
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            raise explain(error) from None

    @classmethod
    def from_yaml(cls, text: str) -> Self:
        """Check a job written in YAML, or in JSON, which YAML contains.

        Raises:
            UserError: The text is not YAML, or the job is not right.
        """
        try:
            data = yaml.load(text, Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
            problem = getattr(error, "problem", None) or "the text cannot be read"
            raise UserError(f"this is not valid YAML{where}: {problem}") from None
        return cls.parse(data)

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Check the job in a YAML or JSON file; relative paths in it stay as they are."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UserError(f"cannot read {path}: {reason}") from None
        return cls.from_yaml(text)

    @classmethod
    def from_proto(cls, message: job_pb2.JobSpec) -> Self:
        """Check a job as it came over the wire.

        Raises:
            UserError: As `parse`.
        """
        data = json_format.MessageToDict(message, preserving_proto_field_name=True)
        for reward, sent in zip(data.get("rewards", ()), message.rewards, strict=True):
            reward["weight"] = sent.weight  # a weight of 0 is meant: the reward only watches
        return cls.parse(_rename_enums(data, to_wire=False))

    def to_proto(self) -> job_pb2.JobSpec:
        """The wire's form, every default spelled out.

        Raises:
            UserError: A reward still names a local file or source; create it first.
        """
        for index, reward in enumerate(self.rewards):
            if not reward.uploaded:
                raise UserError(
                    f"reward `{reward.name}` is not uploaded yet", field=f"rewards[{index}]"
                )
        data = _rename_enums(self.model_dump(exclude_none=True), to_wire=True)
        references = {"name", "revision", "weight", "group"}
        data["rewards"] = [
            each.model_dump(include=references, exclude_none=True) for each in self.rewards
        ]
        return json_format.ParseDict(data, job_pb2.JobSpec())

    def to_json(self) -> str:
        """The same job, every default spelled out, with sorted keys."""
        return json.dumps(self.model_dump(mode="json", exclude_none=True), sort_keys=True)


class _UniqueKeys(yaml.SafeLoader):
    """YAML 1.2 forbids repeated keys; PyYAML keeps the last one silently."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"`{key_node.value}` is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _rename_enums(value: Any, *, to_wire: bool) -> Any:  # noqa: ANN401 (JSON)
    """Lower-case names without prefix on the outside, the enum's names on the wire."""
    if isinstance(value, Mapping):
        return {
            key: _enum(_ENUM_PREFIXES[key], item, to_wire=to_wire)
            if key in _ENUM_PREFIXES
            else _rename_enums(item, to_wire=to_wire)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_rename_enums(item, to_wire=to_wire) for item in value]
    return value


def _enum(prefix: str, name: object, *, to_wire: bool) -> str:
    return prefix + str(name).upper() if to_wire else str(name).removeprefix(prefix).lower()
