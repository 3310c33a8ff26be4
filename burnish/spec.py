"""What a job asks for: the YAML or JSON that people write, checked field by field.

A spec enters as YAML, as a mapping or as the wire's `JobSpec` and is the same object afterwards.
Field names equal the wire's, so the conversion is a table of enum prefixes and nothing else. On the
wire a zero means "the default" wherever a zero could not be meant.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias

import yaml
from google.protobuf import json_format
from pydantic import Field, ValidationError, model_validator

from burnish.errors import UserError
from burnish.explain import explain, nearest, rule
from burnish.reward_spec import Reward
from burnish.run_spec import Alarms, Budget, Checkpoints, EarlyStopping, Evaluation, Start, Success
from burnish.stage_spec import ENUM_PREFIXES, RlStage, Stage
from burnish.strict import Strict
from burnish.v1 import job_pb2

OnRewardErrorName: TypeAlias = Literal["zero", "drop", "fail"]

_ENUM_PREFIXES: Mapping[str, str] = {
    **ENUM_PREFIXES,
    "on_reward_error": "ON_REWARD_ERROR_",
    "action": "ALARM_ACTION_",
}


class Lora(Strict):
    """The adapter's shape; it covers all linear layers."""

    rank: int = Field(default=16, ge=1, le=512, description="Rank of each update.")
    alpha: float = Field(
        default=32.0, gt=0, le=4096, description="Scale: updates count alpha / rank."
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
    deterministic: bool = Field(
        default=False, description="Equal inputs give an equal adapter, whatever crashes."
    )
    success: Success = Field(default=Success(), description="What counts as a pass.")
    early_stopping: EarlyStopping = Field(
        default=EarlyStopping(), description="When RL ends before its last step."
    )
    budget: Budget = Field(default=Budget(), description="What pauses the job when it is used up.")
    alarms: Alarms = Field(default=Alarms(), description="Signs that a reward is being gamed.")
    checkpoints: Checkpoints = Field(
        default=Checkpoints(), description="Which checkpoints stay to be forked from."
    )
    start: Start | None = Field(default=None, description="Where it begins; unset: from the base.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [reward.name for reward in self.rewards]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise rule(f"rewards[{index}].name", f"two rewards are named `{name}`")
        for index, stage in enumerate(self.stages):
            if stage.rl is not None:
                self._check_rl(f"stages[{index}].rl", stage.rl, names)
        self._check_score("success.score", self.success.score, names)
        self._check_score("evaluation.best_by", self.evaluation.best_by, names)
        self._check_early_stopping()
        return self

    def _check_early_stopping(self) -> None:
        asked = self.early_stopping.patience or self.early_stopping.target is not None
        if asked and not (self.evaluation_file and self.evaluation.every_steps):
            raise rule(
                "early_stopping",
                "early stopping is judged by evaluations during training",
                "set `evaluation_file` and `evaluation.every_steps`",
            )

    def _check_rl(self, field: str, stage: RlStage, names: list[str]) -> None:
        if not names:
            raise rule("rewards", "an `rl` stage needs at least one reward function")
        if all(reward.weight == 0 for reward in self.rewards):
            raise rule("rewards", "an `rl` stage needs a reward whose weight is not 0")
        self._check_score(f"{field}.require_success", stage.require_success, names)
        if stage.curriculum is not None:
            self._check_score(f"{field}.curriculum.measure", stage.curriculum.measure, names)

    @staticmethod
    def _check_score(field: str, score: str, names: list[str]) -> None:
        """A score is named by its reward, or as `<reward>/<part>`: parts are known at run time."""
        if score and score.partition("/")[0] not in names:
            raise rule(
                field,
                f"`{score}` is not one of the job's rewards",
                nearest(score, names, "rewards"),
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
