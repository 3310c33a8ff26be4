"""1.0 for one JSON object with the right keys and types and nothing around it, else 0.0."""

import json

TYPES = {"name": str, "age": int, "city": str}


def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    try:
        answer = json.loads(completion, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return 0.0
    # `type` and not `isinstance`: for Python, true is an int
    return float(type(answer) is dict and {k: type(v) for k, v in answer.items()} == TYPES)


def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key that comes twice: models learn to go on after a finished answer."""
    answer = dict(pairs)
    if len(answer) < len(pairs):
        raise ValueError("a key comes twice")
    return answer
