"""The schema of OpenAI's graders: what each type says, checked field by field.

Nothing is evaluated here but what needs neither a sandbox nor a model: templates, string checks and
the formula of a `multi` grader.
"""

import keyword
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from burnish.errors import UserError
from burnish.explain import explain, nearest, rule
from burnish.formula import FUNCTIONS, Formula
from burnish.rewards import check_grade
from burnish.strict import Strict
from burnish.templates import UnreadableOutputError, check_template, render

__all__ = [
    "Formula",
    "Grader",
    "Message",
    "Multi",
    "PythonGrader",
    "SamplingParams",
    "ScoreModel",
    "Simple",
    "StringCheck",
    "TextSimilarity",
    "UnreadableOutputError",
    "check_grader",
    "parse",
    "render",
    "string_check",
]

MAX_GRADERS = 32

M = TypeVar("M", bound=Strict)

Operation: TypeAlias = Literal["eq", "ne", "like", "ilike"]
Metric: TypeAlias = Literal[
    "fuzzy_match",
    "bleu",
    "gleu",
    "meteor",
    "cosine",
    "rouge_1",
    "rouge_2",
    "rouge_3",
    "rouge_4",
    "rouge_5",
    "rouge_l",
]


def _template(text: str) -> str:
    check_template(text)
    return text


def _grade_source(source: str) -> str:
    check_grade(source)
    return source


def _joined(content: object) -> object:
    """The text of a message's parts; whatever is no list of parts is left for pydantic to refuse."""
    parts = [content] if isinstance(content, Mapping) else content
    if not isinstance(parts, list | tuple):
        return content
    texts: list[str] = []
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else part
        kind = part.get("type", "input_text") if isinstance(part, Mapping) else "input_text"
        if kind not in {"input_text", "output_text"} or not isinstance(text, str):
            raise UserError(f"cannot hold a part of type {kind!r}", hint="input_text")
        texts.append(text)
    return "\n".join(texts)


Template = Annotated[str, AfterValidator(_template)]
Name = Annotated[str, Field(max_length=200)]


class StringCheck(Strict):
    """1 or 0: how a text compares with its reference."""

    type: Literal["string_check"]
    name: Name = Field(default="", description="Label in results.")
    operation: Operation = Field(
        description="`eq`, `ne`, or whether the input holds the reference: `like`, `ilike`."
    )
    input: Template = Field(description="Template of the judged text.")
    reference: Template = Field(description="Template of what it is compared with.")


class TextSimilarity(Strict):
    """0 to 1: how close a text is to its reference."""

    type: Literal["text_similarity"]
    name: Name = Field(default="", description="Label in results.")
    evaluation_metric: Metric = Field(description="How closeness is measured.")
    input: Template = Field(description="Template of the judged text.")
    reference: Template = Field(description="Template of what it is compared with.")


class PythonGrader(Strict):
    """What the source's `grade(sample, item)` returns."""

    type: Literal["python"]
    name: Name = Field(default="", description="Label in results.")
    source: Annotated[str, AfterValidator(_grade_source)] = Field(
        description="Python that defines `grade(sample, item)`."
    )
    image_tag: str | None = Field(
        default=None, description="Accepted and not used: every grader runs in the sandbox's image."
    )


class Message(Strict):
    """One message to the judge."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[Template, BeforeValidator(_joined)] = Field(
        description="Its template, as text or as a list of `input_text` parts."
    )
    type: Literal["message"] = "message"


class SamplingParams(Strict):
    """How the judge answers."""

    temperature: float | None = Field(default=None, ge=0, le=2, description="0 is greedy.")
    top_p: float | None = Field(default=None, gt=0, le=1, description="Nucleus mass.")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="Of the draws.")
    max_completions_tokens: int | None = Field(
        default=None, ge=1, le=32768, description="Length of the judge's answer."
    )


class ScoreModel(Strict):
    """The number that a model answers with."""

    type: Literal["score_model"]
    name: Name = Field(default="", description="Label in results.")
    model: str = Field(min_length=1, max_length=200, description="Any model that is served here.")
    input: tuple[Message, ...] = Field(min_length=1, max_length=64, description="Its prompt.")
    range: tuple[float, float] = Field(default=(0.0, 1.0), description="Least and highest score.")
    sampling_params: SamplingParams = Field(default=SamplingParams(), description="Of the judge.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        low, high = self.range
        if low >= high:
            raise rule("range", f"must rise, not go from {low:g} to {high:g}")
        return self


Simple: TypeAlias = StringCheck | TextSimilarity | PythonGrader | ScoreModel


class Multi(Strict):
    """A formula over the scores of other graders."""

    type: Literal["multi"]
    name: Name = Field(default="", description="Label in results.")
    graders: Mapping[str, Simple] = Field(
        min_length=1, max_length=MAX_GRADERS, description="Graders by the formula's names."
    )
    calculate_output: str = Field(min_length=1, description="Formula over the graders' names.")

    @model_validator(mode="after")
    def _computable(self) -> Self:
        for name in self.graders:
            if not name.isidentifier() or keyword.iskeyword(name) or name in FUNCTIONS:
                hint = "a letter or _, then letters, digits and _; no function's name"
                raise rule(f"graders.{name}", "cannot be named in a formula", hint)
        try:
            _ = self.formula
        except UserError as error:
            raise rule("calculate_output", error.message, error.hint) from None
        return self

    @property
    def formula(self) -> Formula:
        return Formula.parse(self.calculate_output, self.graders.keys())


Grader: TypeAlias = Simple | Multi

_SIMPLE: Mapping[str, type[Simple]] = {
    "string_check": StringCheck,
    "text_similarity": TextSimilarity,
    "python": PythonGrader,
    "score_model": ScoreModel,
}


def parse(data: Mapping[str, Any]) -> Grader:
    """Read a grader as OpenAI writes it.

    Raises:
        UserError: the first thing that is wrong, with its path from `grader`.
    """
    if isinstance(data, Mapping) and data.get("type") == "multi":
        return _multi(data)
    return _simple(data, "grader", (*_SIMPLE, "multi"))


def check_grader(data: Mapping[str, Any]) -> None:
    """Check a grader as OpenAI writes it.

    Raises:
        UserError: As `parse`.
    """
    parse(data)


def string_check(operation: Operation, text: str, reference: str) -> float:
    """1 where the check holds, else 0; `like` and `ilike` look for the reference in the text."""
    match operation:
        case "eq":
            return float(text == reference)
        case "ne":
            return float(text != reference)
        case "like":
            return float(reference in text)
        case "ilike":
            return float(reference.casefold() in text.casefold())


def _multi(data: Mapping[str, Any]) -> Multi:
    graders = data.get("graders")
    if isinstance(graders, Mapping):
        # Read here one by one, so that an error's path holds no name of a union's member.
        parsed = {
            str(name): _simple(value, f"grader.graders.{name}", tuple(_SIMPLE))
            for name, value in graders.items()
        }
        data = {**data, "graders": parsed}
    return _validated(Multi, data, "grader")


def _simple(data: object, field: str, types: tuple[str, ...]) -> Simple:
    if not isinstance(data, Mapping):
        raise UserError("a grader is a mapping", field=field)
    kind = data.get("type")
    model = _SIMPLE.get(kind) if isinstance(kind, str) else None
    if model is None:
        what = "is missing" if kind is None else f"{kind!r} is no type of grader here"
        raise UserError(what, field=f"{field}.type", hint=nearest(str(kind), types, "types"))
    return _validated(model, data, field)


def _validated(model: type[M], data: Mapping[str, Any], field: str) -> M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = explain(error)
        path = f"{field}.{found.field}" if found.field else field
        raise UserError(found.message, field=path, hint=found.hint) from None
