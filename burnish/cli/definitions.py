"""What the command line says about a reward, as a definition."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
import yaml

from burnish.errors import UserError
from burnish.reward_spec import RewardDefinition
from burnish.sdk.resources import read_source

Preset: TypeAlias = Annotated[str, typer.Option(help="A built-in reward: `triton`.")]
Grader: TypeAlias = Annotated[
    Path | None, typer.Option(help="File with an OpenAI grader as JSON.", dir_okay=False)
]
Options: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--option", help="KEY=VALUE of the preset, such as `weights.correct=1`."),
]
Packages: TypeAlias = Annotated[
    list[str] | None, typer.Option("--package", help="pip requirement of the function.")
]
Secrets: TypeAlias = Annotated[
    list[str] | None, typer.Option("--secret", help="Name of a secret for the function.")
]
Limits: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--limit", help="KEY=VALUE of one evaluation, such as `seconds=5`."),
]


def define(
    file: Path | None = None,
    *,
    preset: str = "",
    grader: Path | None = None,
    options: Sequence[str] | None = None,
    packages: Sequence[str] | None = None,
    secrets: Sequence[str] | None = None,
    limits: Sequence[str] | None = None,
) -> RewardDefinition:
    """The definition: of a Python file, a preset or a grader.

    Raises:
        UserError: it is none or several of them, or something in it is wrong.
    """
    given = [bool(file), bool(preset), bool(grader)].count(True)
    if given != 1:
        raise UserError("give one of a Python file, --preset and --grader")
    data: dict[str, Any] = {
        "options": pairs(options or (), "--option"),
        "limits": pairs(limits or (), "--limit"),
        "packages": list(packages or ()),
        "secrets": list(secrets or ()),
    }
    if file is not None:
        data["source"] = read_source(file)
    elif grader is not None:
        data["grader"] = json_object(read_source(grader), str(grader))
    else:
        data["preset"] = preset
    return RewardDefinition.parse(data)


def pairs(texts: Sequence[str], option: str) -> Mapping[str, Any]:
    """`a.b=1` becomes `{"a": {"b": 1}}`; values are read as YAML.

    Raises:
        UserError: one has no `=`, or a key is a value already.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UserError(f"{text!r} is not KEY=VALUE", field=option)
        *path, last = key.split(".")
        place = found
        for part in path:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise UserError(f"{key!r} goes into a value", field=option)
        place[last] = _value(value)
    return found


def json_object(text: str, field: str) -> Mapping[str, Any]:
    """Raises UserError unless `text` is a JSON object."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UserError("is not a JSON object", field=field, hint=str(error)) from None
    if not isinstance(found, dict):
        raise UserError("is not a JSON object", field=field)
    return found


def _value(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
