"""What pydantic found wrong, as one sentence for the person who wrote it."""

import difflib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from burnish.errors import UserError

_PHRASES: Mapping[str, str] = {
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge}, not {input}",
    "greater_than": "must be more than {gt}, not {input}",
    "less_than_equal": "must be at most {le}, not {input}",
    "less_than": "must be less than {lt}, not {input}",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must match {pattern}, not {input}",
    "literal_error": "must be {expected}, not {input}",
    "finite_number": "must be a finite number",
    "int_parsing": "must be a whole number, not {input}",
    "int_type": "must be a whole number, not {input}",
    "int_from_float": "must be a whole number, not {input}",
    "float_parsing": "must be a number, not {input}",
    "float_type": "must be a number, not {input}",
    "string_type": "must be text, not {input}",
    "model_type": "must be a mapping, not {input}",
    "tuple_type": "must be a list, not {input}",
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
        return f"did you mean `{close[0]}`?"
    return f"valid {what}: {', '.join(known)}" if known else ""


def explain(found: ValidationError) -> UserError:
    """The first thing that is wrong, with its field as a path such as `stages[1].rl.loss`."""
    error = found.errors()[0]
    field = _path(error["loc"])
    context: dict[str, Any] = error.get("ctx", {})
    if error["type"] == "rule":
        field = ".".join(part for part in (field, context["field"]) if part)
        return UserError(context["message"], field=field, hint=context["hint"])
    cause = context.get("error")
    if isinstance(cause, UserError):
        return UserError(cause.message, field=field, hint=cause.hint)
    phrase = _PHRASES.get(error["type"])
    if phrase is None:
        return UserError(error["msg"], field=field)
    return UserError(phrase.format(**context, input=_shown(error["input"])), field=field)


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def _shown(value: object) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
