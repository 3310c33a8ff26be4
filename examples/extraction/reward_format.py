"""1.0 for one JSON object with the right keys and types and nothing around it, else 0.0."""

import json

TYPES = {"name": str, "age": int, "city": str}


def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    try:
        answer = json.loads(completion)
    except (ValueError, RecursionError):
        return 0.0
    # `type` and not `isinstance`: for Python, true is an int
    return float(type(answer) is dict and {k: type(v) for k, v in answer.items()} == TYPES)
