"""What counts as a reward function."""

import pytest

from burnish.errors import UserError
from burnish.rewards import ACCEPTED, check_grade, check_name, check_source


@pytest.mark.parametrize(
    ("source", "entry", "takes_context"),
    [
        ("def reward(prompt, completion, example): return 1", "reward", False),
        ("def reward(prompt, completion, example, context): return 1", "reward", True),
        ("def reward(prompt, completion, example, context=None): return 1", "reward", True),
        ("def reward(prompt, completion, example, cache={}): return 1", "reward", False),
        ("def reward(*arguments): return 1", "reward", False),
        ("def reward(p, c, e): return 0\ndef other(p, c, e): return 1", "reward", False),
        ("def is_json(prompt, completion, example): return 1", "is_json", False),
        ("def _helper(a, b, c): ...\ndef two(a, b): ...\ndef score(a, b, c): ...", "score", False),
    ],
)
def test_finds_the_function(source: str, entry: str, *, takes_context: bool) -> None:
    found = check_source(source)
    assert (found.entry, found.takes_context) == (entry, takes_context)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def reward(prompt completion):", "not valid Python: line 1"),
        ("", "defines no reward function: no top-level function takes"),
        ("def reward(prompt, completion): return 1", "takes 2 arguments instead of"),
        ("def reward(a, b, c, d, e): return 1", "takes 5 arguments"),
        ("def reward(a, b, c, *, d): return 1", "needs keyword arguments: d"),
        ("async def reward(a, b, c): return 1", "async function"),
        ("reward = lambda a, b, c: 1", "no top-level function takes"),
        ("class A:\n def reward(a, b, c): return 1", "no top-level function takes"),
        ("def f(a, b, c): ...\ndef g(a, b, c): ...", "several functions could be it: f, g"),
        ("x = '\0'", "not valid Python"),
        ("(" * 10_000, "not valid Python"),
        ("#" * 300_000, "larger than 256 kB"),
    ],
)
def test_says_in_one_sentence_what_is_wrong(source: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        check_source(source)
    assert "\n" not in str(caught.value)


def test_a_wrong_signature_names_the_right_one() -> None:
    with pytest.raises(UserError) as caught:
        check_source("def reward(prompt): return 1")
    assert caught.value.hint == ACCEPTED


def test_imports_are_found_wherever_they_stand() -> None:
    source = (
        "import os.path\ndef reward(p, c, e):\n import torch\n from triton import jit\n return 1"
    )
    assert check_source(source).imports == {"os", "torch", "triton"}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("def grade(sample): ...", "takes 1 arguments"),
        ("def grade(sample, item, more): ...", "takes 3 arguments"),
        ("def score(sample, item): ...", "defines no function `grade`"),
        ("def grade(", "not valid Python"),
    ],
)
def test_a_python_grader_defines_grade(source: str, sentence: str) -> None:
    check_grade("def grade(sample, item): return 1")
    with pytest.raises(UserError, match=sentence):
        check_grade(source)


def test_names() -> None:
    assert check_name("is_json-2") == "is_json-2"
    for name in ("", "Upper", "a.b", "a b", "x" * 64, "-x"):
        with pytest.raises(UserError):
            check_name(name)
