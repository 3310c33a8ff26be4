"""Templates of graders: `{{ item.answer }}`, `{{ sample.output_text }}`, `{{ sample.output_json.a }}`."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from burnish.errors import UserError
from burnish.explain import nearest

OUTPUT_TEXT = "output_text"
OUTPUT_JSON = "output_json"
ACCEPTED = "`{{ item.COLUMN }}`, `{{ sample.output_text }}` or `{{ sample.output_json.KEY }}`"

_SLOT = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_][\w-]*(?:\.[\w-]+)*")


class UnreadableOutputError(UserError):
    """The completion lacks what a template asks of it: its fault, not the template's."""


def check_template(text: str) -> None:
    """Check every slot of a template, without values.

    Raises:
        UserError: naming the slot that can never be filled.
    """
    for slot in _SLOT.finditer(text):
        _path_of(slot[1])
    rest = _SLOT.sub("", text)
    if "{{" in rest:
        raise UserError("opens `{{` without closing it", hint=ACCEPTED)


def render(text: str, *, item: Mapping[str, Any], output: str) -> str:
    """Fill a template's slots from a dataset row and a completion.

    A column that holds JSON can be entered (`{{ item.answer.unit }}`); what is not text is written
    as JSON.

    Raises:
        UnreadableOutputError: the completion is no JSON, or lacks the key.
        UserError: the row lacks the key, or a slot names something else.
    """
    return _SLOT.sub(lambda slot: _filled(_path_of(slot[1]), item, output), text)


def _path_of(slot: str) -> Sequence[str]:
    path = slot.strip()
    parts = path.split(".")
    known = parts[0] == "item" and len(parts) > 1
    known |= parts[:2] == ["sample", OUTPUT_TEXT] and len(parts) == 2
    known |= parts[:2] == ["sample", OUTPUT_JSON]
    if not (known and _PATH.fullmatch(path)):
        raise UserError(f"cannot fill `{{{{{slot}}}}}`", hint=ACCEPTED)
    return parts


def _filled(path: Sequence[str], item: Mapping[str, Any], output: str) -> str:
    name = ".".join(path)
    if path[0] == "item":
        return _text(_inside(item, path[1:], name, UserError))
    if path[1] == OUTPUT_TEXT:
        return output
    try:
        value = json.loads(output)
    except (ValueError, RecursionError):
        raise UnreadableOutputError(f"the completion is no JSON, so {name} has no value") from None
    return _text(_inside(value, path[2:], name, UnreadableOutputError))


def _inside(value: object, keys: Sequence[str], name: str, error: type[UserError]) -> object:
    for depth, key in enumerate(keys):
        if depth and isinstance(value, str):
            value = _read(value)
        if isinstance(value, Mapping) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            known = [str(known) for known in value][:20] if isinstance(value, Mapping) else []
            raise error(f"there is no {name}", hint=nearest(key, known, "keys"))
    return value


def _read(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
