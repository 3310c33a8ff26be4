"""The share of the three values that are right, in the first JSON object of the completion.

This one forgives text around the object, so that a model which does not yet keep to the format
still learns which values are meant.
"""

import json


def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    start = completion.find("{")
    try:
        answer, _ = json.JSONDecoder().raw_decode(completion, max(start, 0))
    except (ValueError, RecursionError):
        return 0.0
    if not isinstance(answer, dict):
        return 0.0
    expected = {"name": example["name"], "age": int(example["age"]), "city": example["city"]}
    right = [type(answer.get(k)) is type(v) and answer[k] == v for k, v in expected.items()]
    return sum(right) / len(right)
