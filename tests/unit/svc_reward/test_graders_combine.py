"""Formulas over outcomes, judges' answers, and similarity, without a lane."""

from collections.abc import Mapping
from typing import Any, cast

import pytest

from burnish.errors import UnavailableError, UserError
from burnish.graders import Formula, SamplingParams
from burnish.reward_spec import RewardLimits
from svc_reward import judges
from svc_reward.contract import Case
from svc_reward.graders import Graders, combined
from svc_reward.lane.similarity import similarity
from svc_reward.lane.wire import Status
from svc_reward.outcome import Outcome
from svc_reward.sandbox import Sandbox

NO_SANDBOX = cast("Sandbox", None)
JUDGE = {
    "type": "score_model",
    "name": "judge",
    "model": "smol",
    "input": [{"role": "developer", "content": "Rate {{ sample.output_text }}"}],
}


class Judges:
    """A `ChatModels` with its answers in hand."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.bodies: list[Mapping[str, Any]] = []

    async def chat(self, _: str, body: Mapping[str, Any]) -> str:
        self.bodies.append(body)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def evaluate(grader: Mapping[str, Any], models: Judges | None = None) -> Outcome:
    case = Case("p", "answer", {"key": "Answer"})
    return await Graders(NO_SANDBOX, models).evaluate(grader, RewardLimits(), case, seed=1)


def check(operation: str, reference: str, text: str = "{{ sample.output_text }}") -> dict[str, str]:
    return {"type": "string_check", "operation": operation, "input": text, "reference": reference}


async def test_a_string_check_is_one_or_zero() -> None:
    assert (await evaluate(check("eq", "{{ item.key }}"))).value == 0
    assert (await evaluate(check("ilike", "{{ item.key }}"))).value == 1


async def test_a_completion_without_what_is_looked_at_is_worth_nothing() -> None:
    found = await evaluate(check("eq", "x", "{{ sample.output_json.a }}"))
    assert (found.status, found.value) == (Status.OK, 0.0)
    assert "no JSON" in found.message


async def test_a_row_without_the_column_is_an_error() -> None:
    with pytest.raises(UserError, match=r"item\.kex"):
        await evaluate(check("eq", "{{ item.kex }}"))


async def test_a_formula_keeps_its_parts() -> None:
    graders = {"a": check("eq", "answer"), "b": check("eq", "x")}
    found = await evaluate({"type": "multi", "graders": graders, "calculate_output": "a / 2 + b"})
    assert found.value == 0.5
    assert found.parts == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize("status", [Status.ERROR, Status.INVALID, Status.LANE_ERROR])
def test_the_fault_of_one_is_the_fault_of_all(status: Status) -> None:
    formula = Formula.parse("a + b", ("a", "b"))
    found = combined(formula, {"a": Outcome(Status.OK, 1.0), "b": Outcome(status, message="why")})
    assert (found.status, found.value, found.message) == (status, None, "b: why")
    assert not found.parts


def test_a_formula_without_a_value_is_no_score() -> None:
    found = combined(Formula.parse("1 / a", ("a",)), {"a": Outcome(Status.OK, 0.0)})
    assert found.status is Status.INVALID_SCORE


async def test_a_judge_is_asked_again() -> None:
    models = Judges("well", "Score: 0.75")
    assert (await evaluate(JUDGE, models)).value == 0.75
    assert models.bodies[0]["messages"] == [{"role": "system", "content": "Rate answer"}]
    assert models.bodies[0]["temperature"] == 0 < models.bodies[1]["temperature"]


async def test_a_judge_that_never_gives_a_number_gives_no_score() -> None:
    found = await evaluate(JUDGE, Judges("well", "8/10", "7"))
    assert (found.status, found.value) == (Status.INVALID_SCORE, None)
    assert "from 0 to 1" in found.message


async def test_a_judge_that_is_not_served_is_infrastructure() -> None:
    found = await evaluate(JUDGE, Judges(UnavailableError("nobody")))
    assert found.infrastructure


async def test_a_judge_needs_the_platform() -> None:
    with pytest.raises(UserError, match="served model"):
        await evaluate(JUDGE)


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("0.5", 0.5),
        ("Score: 0.5.", 0.5),
        ('{"result": 0.25, "steps": [1, 2]}', 0.25),
        ('```json\n{"score": 1}\n```', 1.0),
        ("0.5 or 0.6", None),
        ("nan", None),
        ("2", None),
        ("50%", None),
        ("", None),
    ],
)
def test_a_number_is_read_only_where_it_is_clear(answer: str, value: float | None) -> None:
    assert judges.number_in(answer, 0, 1) == value


def test_a_seed_of_the_grader_wins() -> None:
    assert judges.request([], SamplingParams(seed=7), 3, 0)["seed"] == 7


@pytest.mark.parametrize(
    "metric", ["fuzzy_match", "bleu", "gleu", "meteor", "cosine", "rouge_1", "rouge_l"]
)
def test_similarity_goes_from_nothing_in_common_to_the_same(metric: str) -> None:
    pytest.importorskip("nltk")
    pytest.importorskip("rapidfuzz")
    pytest.importorskip("rouge_score")
    pytest.importorskip("sacrebleu")
    reference = "a cat sits on the mat"
    assert similarity(metric, reference, reference) == 1
    assert similarity(metric, "", reference) == 0
    close = similarity(metric, "a cat sits on the hat", reference)
    assert similarity(metric, "no dog", reference) < close < 1
