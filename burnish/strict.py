"""The base of every configuration that people write: nothing unknown passes silently."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, model_validator

from burnish.explain import nearest, rule


class Strict(BaseModel):
    """A frozen mapping whose unknown keys are refused with the nearest valid name."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: object) -> object:
        if data is None:  # `- sft:` in YAML asks for the defaults
            return {}
        if isinstance(data, Mapping):
            for key in data:
                if key not in cls.model_fields:
                    hint = nearest(str(key), list(cls.model_fields), "keys")
                    raise rule(str(key), f"unknown key `{key}`", hint)
        return data
