"""What is read off a completion by name: its reward, one score, or one part of a score."""

from collections.abc import Iterable, Sequence

from burnish.run_spec import Success
from svc_learner.types import Completion


def value_of(completion: Completion, name: str) -> float | None:
    """The value called `name`: "" is the reward, else `<score>` or `<score>/<part>`.

    None means that it says nothing: infrastructure failed, a reward function declined, or the
    completion was judged by a set of rewards without this one. A judged completion whose reward
    function failed on it, or that did not get as far as the part, counts 0.
    """
    if completion.reward is None:
        return None
    if not name:
        return completion.reward
    reward, _, part = name.partition("/")
    for score in completion.scores:
        if score.name == reward:
            value = score.parts.get(part) if part else score.value
            return 0.0 if value is None else value
    return None


def values_of(completions: Sequence[Completion], name: str) -> list[float]:
    """The values that there are."""
    found = (value_of(completion, name) for completion in completions)
    return [value for value in found if value is not None]


def passes(completions: Sequence[Completion], success: Success) -> list[bool]:
    """Whether each completion that can be judged is a pass."""
    return [value >= success.at_least for value in values_of(completions, success.score)]


def missing_parts(completions: Sequence[Completion], names: Iterable[str]) -> dict[str, list[str]]:
    """Names of parts that no completion has, although its score has others: with those.

    Parts are known at run time alone, so a slip of the pen in one shows here and not at creation.
    """
    found: dict[str, set[str]] = {}
    for score in (s for c in completions for s in c.scores):
        found.setdefault(score.name, set()).update(score.parts)
    split = {name: name.partition("/") for name in names}
    return {
        name: sorted(found[score])
        for name, (score, _, part) in split.items()
        if part and found.get(score) and part not in found[score]
    }
