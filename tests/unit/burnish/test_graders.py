"""OpenAI's graders: what is accepted, what is said of the rest, and what needs no sandbox."""

from typing import Any

import pytest

from burnish.errors import UserError
from burnish.graders import (
    Formula,
    Multi,
    Operation,
    ScoreModel,
    UnreadableOutputError,
    check_grader,
    parse,
    render,
    string_check,
)

CHECK = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{ sample.output_text }}",
    "reference": "{{item.answer}}",
}
JUDGE = {"type": "score_model", "model": "m", "input": [{"role": "user", "content": "?"}]}


def multi(formula: str, **graders: object) -> dict[str, Any]:
    return {"type": "multi", "graders": graders or {"a": CHECK}, "calculate_output": formula}


@pytest.mark.parametrize(
    "grader",
    [
        CHECK,
        {
            "type": "text_similarity",
            "evaluation_metric": "rouge_l",
            "input": "{{ sample.output_text }}",
            "reference": "y",
        },
        {
            "type": "python",
            "source": "def grade(sample, item): return 1",
            "image_tag": "2025-05-08",
        },
        {**JUDGE, "range": [0, 10], "sampling_params": {"temperature": 0}},
        multi("0.5 * a + min(b, 1) ^ 2", a=CHECK, b=JUDGE),
    ],
)
def test_every_type_is_accepted(grader: dict[str, Any]) -> None:
    assert parse(grader).type == grader["type"]


@pytest.mark.parametrize(
    ("grader", "field", "words"),
    [
        ({}, "grader.type", "is missing"),
        ({"type": "label_model"}, "grader.type", "no type of grader here"),
        ({**CHECK, "operation": "equals"}, "grader.operation", "must be 'eq', 'ne'"),
        ({**CHECK, "refrence": ""}, "grader.refrence", "unknown key"),
        ({**CHECK, "input": "{{ sample.text }}"}, "grader.input", "cannot fill"),
        ({**CHECK, "input": "{{ item.a"}, "grader.input", "without closing"),
        ({"type": "python", "source": "x = 1"}, "grader.source", "no function `grade`"),
        ({**JUDGE, "range": [1, 0]}, "grader.range", "must rise"),
        (
            {**JUDGE, "input": [{"role": "user", "content": [{"type": "input_image"}]}]},
            "grader.input[0].content",
            "input_image",
        ),
        (multi("a", a={**CHECK, "operation": "x"}), "grader.graders.a.operation", "must be"),
        (multi("a", a=multi("a")), "grader.graders.a.type", "'multi'"),
        (multi("ab"), "grader.calculate_output", "which is not a grader"),
        (multi("a.b"), "grader.calculate_output", "cannot use `a.b`"),
        (multi("x", **{"not a name": CHECK}), "grader.graders.not a name", "cannot be named"),
    ],
)
def test_what_is_wrong_is_named(grader: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check_grader(grader)
    assert caught.value.field == field


def test_parts_of_a_message_are_joined() -> None:
    parts = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    judge = parse({**JUDGE, "input": [{"role": "user", "content": parts}]})
    assert isinstance(judge, ScoreModel)
    assert judge.input[0].content == "a\nb"
    assert judge.range == (0, 1)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ item.a }}/{{item.a}}", "x/x"),
        ("{{ item.nested.k }}", "1"),
        ("{{ sample.output_text }}", '{"n": [1, "two"], "ok": true}'),
        ("{{ sample.output_json.n.1 }} {{ sample.output_json.ok }}", "two true"),
        ("no {slot}", "no {slot}"),
    ],
)
def test_templates_are_filled(template: str, text: str) -> None:
    item = {"a": "x", "nested": '{"k": 1}'}
    assert render(template, item=item, output='{"n": [1, "two"], "ok": true}') == text


def test_what_a_template_lacks_is_the_rows_or_the_completions_fault() -> None:
    with pytest.raises(UserError, match=r"there is no item\.answr \(did you mean") as caught:
        render("{{ item.answr }}", item={"answer": ""}, output="")
    assert not isinstance(caught.value, UnreadableOutputError)
    for output in ("not json", "{}", "[" * 100_000):
        with pytest.raises(UnreadableOutputError):
            render("{{ sample.output_json.k }}", item={}, output=output)


@pytest.mark.parametrize(
    ("operation", "text", "reference", "holds"),
    [
        ("eq", "a", "a", 1),
        ("eq", "a", "A", 0),
        ("ne", "a", "b", 1),
        ("like", "the answer", "answer", 1),
        ("like", "the answer", "Answer", 0),
        ("ilike", "the answer", "Answer", 1),
    ],
)
def test_string_checks(operation: Operation, text: str, reference: str, holds: float) -> None:
    assert string_check(operation, text, reference) == holds


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.5 * a + 0.5 * b", 1.25),
        ("max(a, b, 1) - -a", 2.5),
        ("a ^ 2 + b ** 2", 4.25),
        ("abs(floor(-a)) + ceil(a) + sqrt(b * 2)", 4),
        ("exp(0) + log(1) / b", 1),
    ],
)
def test_formulas(text: str, value: float) -> None:
    assert Formula.parse(text, ["a", "b"]).value({"a": 0.5, "b": 2}) == pytest.approx(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a +",
        "a; b",
        "a if a else 0",
        "a and 1",
        "'a'",
        "True",
        "1j",
        "min()",
        "sqrt(a, a)",
        "pow(a, 2)",
        "min(*a)",
        "min(a, key=a)",
        "__import__('os')",
        "(lambda: 1)()",
        "a[0]",
        "1e400",
        "9" * 400,
        "(" * 1000,
        "+".join(["a"] * 500),
        "-" * 1999 + "a",
        "a" * 3000,
    ],
)
def test_a_formula_is_arithmetic_and_nothing_else(text: str) -> None:
    with pytest.raises(UserError):
        Formula.parse(text, ["a"])


@pytest.mark.parametrize("text", ["1 / a", "log(a)", "9 ** 9 ** 9", "sqrt(a - 1)", "1e200 * 1e200"])
def test_a_formula_without_a_finite_value_says_so(text: str) -> None:
    with pytest.raises(UserError, match="a = 0"):
        Formula.parse(text, ["a"]).value({"a": 0.0})


def test_a_multi_grader_knows_its_formula() -> None:
    grader = parse(multi("a"))
    assert isinstance(grader, Multi)
    assert grader.formula.names == {"a"}
