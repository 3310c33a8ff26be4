import math
from dataclasses import replace

import pytest
from learner_kit import completion

from burnish.stage_spec import LossName, RlStage, Sampling
from svc_learner.algorithms.advantages import Verdict
from svc_learner.algorithms.contribution import contribution

MEMBERS = (
    completion(index=0, tokens=(5,) * 2),
    completion(index=1, tokens=(5,) * 8, version=2),
    replace(completion(index=2, tokens=(5,) * 16), truncated=True),
)
VERDICT = Verdict(MEMBERS, (1.0, 0.0, -1.0))


def stage(**options: object) -> RlStage:
    return RlStage.model_validate({"sampling": Sampling(max_tokens=16), **options})


@pytest.mark.parametrize(
    ("loss", "divisor", "weights"),
    [
        ("grpo", 3, (1 / 2, 1 / 16)),
        ("gspo", 3, (1 / 2, 1 / 16)),
        ("dr_grpo", 48, (1, 1)),
        ("dapo", 26, (1, 1)),
        ("cispo", 26, (1, 1)),
    ],
)
def test_every_completion_counts_but_only_those_with_a_gradient_are_computed(
    loss: LossName, divisor: float, weights: tuple[float, ...]
) -> None:
    found = contribution(VERDICT, stage(loss=loss), version=3)
    assert found.divisor == divisor
    assert tuple(s.weight for s in found.samples) == weights
    assert [s.advantage for s in found.samples] == [1.0, -1.0]


def test_a_leash_to_the_base_pulls_at_average_completions_too() -> None:
    found = contribution(VERDICT, stage(kl_weight=0.1), version=3)
    assert [s.staleness for s in found.samples] == [3, 1, 3]


def test_a_cut_completion_is_not_learned_from_but_keeps_its_place() -> None:
    found = contribution(VERDICT, stage(overlong="mask", kl_weight=0.1), version=3)
    assert [len(s.tokens) for s in found.samples] == [2, 8]
    assert found.divisor == contribution(VERDICT, stage(), version=3).divisor


def test_tokens_and_their_log_probabilities_go_along() -> None:
    sample = contribution(VERDICT, stage(), version=3).samples[0]
    assert sample.prompt == MEMBERS[0].prompt
    assert sample.tokens == MEMBERS[0].tokens
    assert sample.logprobs is not None
    assert math.fsum(sample.logprobs) == -2
