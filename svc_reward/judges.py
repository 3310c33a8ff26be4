"""What a judge's answer says as a score, and what it is asked. Pure."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from burnish.graders import SamplingParams

MAX_TOKENS = 512
RETRY_TEMPERATURE = 0.7
"""A greedy judge that gave no number would give none again."""

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w%])")


def request(
    messages: list[dict[str, str]], sampling: SamplingParams, seed: int, attempt: int
) -> dict[str, Any]:
    """The chat request of one attempt, the first being 0. Unset temperatures are greedy."""
    temperature = sampling.temperature or 0.0
    chosen = seed if sampling.seed is None else sampling.seed
    return {
        "messages": messages,
        "temperature": max(temperature, RETRY_TEMPERATURE) if attempt else temperature,
        "top_p": 1.0 if sampling.top_p is None else sampling.top_p,
        "max_tokens": sampling.max_completions_tokens or MAX_TOKENS,
        "seed": (chosen + attempt) % 2**31,
    }


def number_in(answer: str, low: float, high: float) -> float | None:
    """The score in `answer`; None if it holds none between `low` and `high`, or several.

    An answer is a JSON object with `result` or `score`, or a text with exactly one number in it.
    """
    value = _in_json(answer)
    if value is None:
        numbers = {float(found) for found in _NUMBER.findall(answer)}
        value = numbers.pop() if len(numbers) == 1 else None
    if value is None or not math.isfinite(value) or not low <= value <= high:
        return None
    return value


def _in_json(answer: str) -> float | None:
    try:
        data = json.loads(answer.strip().removeprefix("```json").strip("`\n "))
    except (ValueError, RecursionError):
        return None
    value = data.get("result", data.get("score")) if isinstance(data, Mapping) else None
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
