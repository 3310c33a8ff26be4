"""What a reward is: everything that decides how it scores, and the identity that follows from it.

A definition is one of three kinds: the Python source of a reward function, an OpenAI grader, or a
built-in preset. Its hash is the reward's revision, so two equal definitions are the same reward.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from google.protobuf import json_format
from pydantic import AfterValidator, Field, ValidationError, model_validator

from burnish.errors import UserError
from burnish.explain import explain, rule
from burnish.rewards import check_name, check_source
from burnish.strict import Strict
from burnish.v1 import common_pb2

TRITON = "triton"
TRITON_PARTS = ("format", "compiled", "ran", "correct", "speedup")
"""The stages of a kernel's score, in order."""

Requirement = Annotated[str, Field(min_length=1, max_length=200)]
SecretName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
Kind = Literal["source", "grader", "preset"]


class RewardLimits(Strict):
    """What one evaluation may use; unset: the operator's default. Never above the operator's maximum."""

    seconds: float | None = Field(default=None, gt=0, le=3600, description="Wall time.")
    memory_mib: int | None = Field(
        default=None, ge=16, le=262_144, description="Memory beyond the preloaded modules."
    )
    scratch_mib: int | None = Field(
        default=None, ge=1, le=65_536, description="Disk, and the size of one file."
    )
    processes: int | None = Field(default=None, ge=1, le=4096, description="Processes and threads.")
    output_kib: int | None = Field(
        default=None, ge=1, le=65_536, description="Printed KiB after which it is ended."
    )


class TritonOptions(Strict):
    """How the `triton` preset counts and what it checks."""

    weights: Mapping[Literal["format", "compiled", "ran", "correct", "speedup"], float] = Field(
        default={"format": 0.1, "compiled": 0.2, "ran": 0.0, "correct": 0.7, "speedup": 1.0},
        description="Factor of each stage; a stage that is left out counts 0.",
    )
    target: str = Field(
        default="cuda:90",
        pattern=r"^(cuda:[0-9]{2,3}|hip:gfx[0-9a-f]{3,4})$",
        description="Architecture that kernels are compiled for, such as `cuda:90`, `hip:gfx942`.",
    )
    compile: bool = Field(
        default=True, description="Compile launched kernels ahead of time to a GPU binary."
    )
    trials: int = Field(
        default=3, ge=1, le=32, description="Hidden input sets, beside the adversarial ones."
    )


class RewardDefinition(Strict):
    """Use `parse` or `from_proto`: they say what is wrong in words."""

    source: str | None = Field(default=None, min_length=1, description="Python source.")
    grader: Mapping[str, Any] | None = Field(default=None, description="An OpenAI grader.")
    preset: Literal["triton"] | None = Field(default=None, description="A built-in reward.")
    options: Mapping[str, Any] = Field(default={}, description="Options of the preset.")
    packages: tuple[Requirement, ...] = Field(
        default=(), max_length=32, description="pip requirements; resolved before the first score."
    )
    secrets: tuple[SecretName, ...] = Field(
        default=(), max_length=16, description="Names of secrets in the function's environment."
    )
    limits: RewardLimits = Field(default=RewardLimits(), description="Of one evaluation.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        kinds = [kind for kind in ("source", "grader", "preset") if getattr(self, kind) is not None]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none"
            raise rule("", f"a reward is one of `source`, `grader`, `preset`, not {found}")
        if self.options and self.preset is None:
            raise rule("options", "`options` are for presets")
        for key in ("packages", "secrets"):
            if getattr(self, key) and self.source is None:
                raise rule(key, f"`{key}` are for rewards with a Python source")
        return self

    @property
    def kind(self) -> Kind:
        if self.source is not None:
            return "source"
        return "grader" if self.grader is not None else "preset"

    @property
    def group(self) -> bool:
        """Whether it scores all completions of a group at once."""
        return self.source is not None and check_source(self.source).group

    @property
    def revision(self) -> str:
        """SHA-256 of the canonical definition, in hex."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()

    @property
    def triton(self) -> TritonOptions:
        """The preset's options, defaults filled in."""
        return TritonOptions.model_validate(dict(self.options))

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """Check a definition: its shape, and that its source, grader or options can be used.

        Raises:
            UserError: the first thing that is wrong, with the field and what would be right.
        """
        try:
            definition = cls.model_validate(data)
            if definition.preset == TRITON:
                _ = definition.triton
        except ValidationError as error:
            raise explain(error) from None
        if definition.source is not None:
            check_source(definition.source)
        if definition.grader is not None:
            from burnish.graders import check_grader  # noqa: PLC0415 - it needs this module's base

            check_grader(definition.grader)
        return definition

    @classmethod
    def from_proto(cls, message: common_pb2.RewardDefinition) -> Self:
        """Check a definition as it came over the wire.

        Raises:
            UserError: As `parse`.
        """
        data = json_format.MessageToDict(message, preserving_proto_field_name=True)
        for key in ("grader", "options"):
            if key in data:
                data[key] = _json_object(key, data[key])
        return cls.parse(data)

    def to_proto(self) -> common_pb2.RewardDefinition:
        data = self.model_dump(mode="json", exclude_defaults=True)
        for key in ("grader", "options"):
            if key in data:
                data[key] = json.dumps(data[key], sort_keys=True)
        return json_format.ParseDict(data, common_pb2.RewardDefinition())


class Reward(Strict):
    """One reward of a job: an uploaded revision, or a definition that is about to become one."""

    name: Annotated[str, AfterValidator(check_name)] = Field(
        description="Name in metrics and results."
    )
    file: str | None = Field(default=None, min_length=1, description="Path of its Python source.")
    source: str | None = Field(default=None, min_length=1, description="Its Python source.")
    grader: Mapping[str, Any] | None = Field(default=None, description="An OpenAI grader.")
    preset: Literal["triton"] | None = Field(default=None, description="A built-in reward.")
    revision: str | None = Field(
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        description="Of an uploaded reward; unset: the newest of this name.",
    )
    options: Mapping[str, Any] = Field(default={}, description="Options of the preset.")
    packages: tuple[Requirement, ...] = Field(default=(), description="pip requirements.")
    secrets: tuple[SecretName, ...] = Field(default=(), description="Names of secrets.")
    limits: RewardLimits = Field(default=RewardLimits(), description="Of one evaluation.")
    weight: float = Field(
        default=1.0, ge=-1000, le=1000, description="Factor in the combined reward; 0 only watches."
    )
    group: bool = Field(
        default=False, description="Scores whole groups; found out from the source."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        origins = ("file", "source", "grader", "preset", "revision")
        given = [key for key in origins if getattr(self, key) is not None]
        if len(given) > 1:
            raise rule(given[1], f"give either `{given[0]}` or `{given[1]}`, not both")
        return self

    @property
    def uploaded(self) -> bool:
        """It names a reward that exists, by revision or by name alone."""
        return not any((self.file, self.source, self.grader, self.preset))

    def definition(self, source: str | None) -> RewardDefinition:
        """What it defines; `source` is the text of its `file`, or None.

        Raises:
            UserError: As `RewardDefinition.parse`.
        """
        keys = {"source", "grader", "preset", "options", "packages", "secrets", "limits"}
        data = self.model_dump(mode="json", include=keys, exclude_defaults=True)
        return RewardDefinition.parse(data if source is None else {**data, "source": source})


def _json_object(key: str, text: str) -> object:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"is not valid JSON: {error}", field=key) from None
