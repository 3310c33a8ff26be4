"""What pydantic found wrong, as one sentence for the person who wrote it."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from burnish.errors import UserError

_PHRASES: Mapping[str, str] = {
    "missing": "Is missing.",
    "greater_than_equal": "Must be at least {ge}, not {input}.",
    "greater_than": "Must be more than {gt}, not {input}.",
    "less_than_equal": "Must be at most {le}, not {input}.",
    "less_than": "Must be less than {lt}, not {input}.",
    "too_short": "Needs at least {min_length}.",
    "too_long": "Takes at most {max_length}.",
    "string_too_short": "Must not be empty.",
    "string_pattern_mismatch": "Must match {pattern}, not {input}.",
    "literal_error": "Must be {expected}, not {input}.",
    "finite_number": "Must be a finite number.",
    "int_parsing": "Must be a whole number, not {input}.",
    "int_type": "Must be a whole number, not {input}.",
    "int_from_float": "Must be a whole number, not {input}.",
    "float_parsing": "Must be a number, not {input}.",
    "float_type": "Must be a number, not {input}.",
    "string_type": "Must be text, not {input}.",
    "model_type": "Must be a mapping, not {input}.",
    "tuple_type": "Must be a list, not {input}.",
}


def rule(field: str, message: str, hint: str = "") -> PydanticCustomError:
    """An error for a rule over several fields; `field` is relative to the model that checks."""
    return PydanticCustomError(
        "rule", "{message}", {"message": message, "field": field, "hint": hint}
    )


def nearest(name: str, known: Sequence[str], what: str) -> str:
    """The known name that was probably meant, or all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"Did you mean `{close[0]}`?"
    return f"Valid {what}: {', '.join(known)}." if known else ""


def explain(found: ValidationError) -> UserError:
    """The first thing that is wrong, with its field as a path such as `stages[1].rl.loss`."""
    error = found.errors()[0]
    field = _path(error["loc"])
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "rule":
        field = ".".join(part for part in (field, context["field"]) if part)
        return UserError(context["message"], field=field, hint=context["hint"])
    phrase = _PHRASES.get(error["type"])
    if phrase is None:
        return UserError(f"{error['msg']}.", field=field)
    return UserError(phrase.format(**context, input=_shown(error["input"])), field=field)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
