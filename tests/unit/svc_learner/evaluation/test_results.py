from collections.abc import Sequence
from dataclasses import replace

import pytest
from learner_kit import completion

from burnish.run_spec import EarlyStopping, Evaluation, Success
from svc_learner.algorithms.measures import missing_parts
from svc_learner.evaluation.results import result_of
from svc_learner.evaluation.standing import Best, Patience, better
from svc_learner.types import Completion, Score

SAMPLED = {"temperature": 1.0}


def row(*rewards: float | None) -> list[Completion]:
    return [completion(index=i, reward=reward) for i, reward in enumerate(rewards)]


def evaluation(**config: object) -> Evaluation:
    return Evaluation(samples=4, sampling=SAMPLED, **config)


def test_figures_are_means_over_rows() -> None:
    result = result_of([row(1, 0, 0, 0), row(1, 1, 1, 1)], evaluation(), Success())
    assert result is not None
    assert result.reward_mean == result.measure == 0.625
    assert result.pass_at == {1: 0.625}


def test_pass_at_k_is_the_unbiased_estimator() -> None:
    """Of 4 completions with 1 right, 2 hold it in 3 of 6 draws."""
    result = result_of([row(1, 0, 0, 0)], evaluation(pass_at=(1, 2, 4)), Success())
    assert result is not None
    assert result.pass_at == {1: 0.25, 2: pytest.approx(0.5), 4: 1.0}


def test_what_infrastructure_lost_is_not_counted_as_wrong() -> None:
    config = evaluation(pass_at=(1, 4))
    result = result_of([row(1, None, None, None), row(1, 0, 1, 0), row(None)], config, Success())
    assert result is not None
    assert result.reward_mean == 0.75
    assert result.pass_at == {1: 0.75, 4: 1.0}, "pass@4 needs 4 judged completions"
    assert result_of([row(None, None)], config, Success()) is None


def test_success_and_best_can_be_a_score_of_their_own() -> None:
    rows = [[completion(reward=0.1, right=0.5, other=1.0)]]
    result = result_of(rows, Evaluation(best_by="right"), Success(score="right", at_least=0.5))
    assert result is not None
    assert result.measure == 0.5
    assert result.pass_at == {1: 1.0}
    assert result.score_means == {"right": 0.5, "other": 1.0}
    missing = result_of(rows, Evaluation(best_by="gone"), Success(score="gone"))
    assert missing is not None
    assert missing.measure is None
    assert missing.pass_at == {}


def test_the_earlier_of_two_equals_stays_the_best() -> None:
    first = Best(2, "job:v2", 0.5, 1)
    assert better(first, None)
    assert not better(Best(4, "job:v4", 0.5, 1), first)
    assert better(Best(4, "job:v4", 0.6, 1), first)
    assert better(Best(4, "job:v4", 0.1, 2), first), "other rewards, another scale"


def test_a_part_that_no_completion_has_is_named_with_those_there_are() -> None:
    score = Score("triton", "r", "ok", 0.5, parts={"ran": 1.0, "correct": 0.0})
    plain = completion(reward=0.5)
    judged = replace(plain, scores=(score,))
    names = ["triton/corect", "triton/ran", "triton", "other/part", ""]
    assert missing_parts([judged], names) == {"triton/corect": ["correct", "ran"]}
    assert missing_parts([plain], names) == {}, "where nothing has parts, nothing is known"


def stopped_at(measures: Sequence[float], **config: object) -> int | None:
    patience = Patience()
    for number, measure in enumerate(measures, start=1):
        patience = patience.after(measure, EarlyStopping(**config))
        if patience.over:
            return number
    return None


@pytest.mark.parametrize(
    ("measures", "config", "end"),
    [
        ([0.1, 0.2, 0.3, 0.4], {"patience": 1}, None),
        ([0.1, 0.1], {"patience": 1}, 2),
        ([0.3, 0.2, 0.4, 0.3, 0.3], {"patience": 2}, 5),
        ([0.1, 0.15, 0.19, 0.3], {"patience": 2, "min_delta": 0.1}, 3),
        ([0.1, 0.5, 0.9], {"target": 0.5}, 2),
        ([0.9], {"target": 0.5}, 1),
        ([0.5, 0.1, 0.1, 0.1], {}, None),
    ],
)
def test_early_stopping(
    measures: Sequence[float], config: dict[str, float], end: int | None
) -> None:
    assert stopped_at(measures, **config) == end
