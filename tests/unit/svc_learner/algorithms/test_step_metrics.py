import math

import pytest
from learner_kit import completion

from svc_learner.algorithms.metrics import RewardWindow, Tally


def test_tallies_of_pieces_add_up_to_the_whole() -> None:
    total = Tally()
    total.add(Tally(tokens=2, loss=1.0, ratio=2.0, ratio_min=0.5, ratio_max=1.5, entropy=4.0))
    total.add(Tally(tokens=2, loss=3.0, ratio=4.0, ratio_min=0.9, ratio_max=3.1, entropy=0.0))
    found = total.metrics(divisor=8)
    assert found["loss"] == 0.5
    assert (found["ratio/min"], found["ratio/mean"], found["ratio/max"]) == (0.5, 1.5, 3.1)
    assert found["entropy"] == 1.0
    assert "k3/mismatch" not in found, "no token was sampled by the present policy"
    assert Tally().metrics(1) == {}


def test_rewards_count_every_completion_that_has_one() -> None:
    window = RewardWindow(
        [
            completion(index=0, reward=1.0, correct=1.0),
            completion(index=1, reward=0.0, correct=0.0, tokens=(1, 2, 3, 4, 5)),
            completion(index=2, reward=None),
        ]
    )
    found = window.metrics()
    assert found["reward/mean"] == 0.5
    assert found["reward/std"] == 0.5
    assert found["reward/correct"] == 0.5
    assert found["completion_tokens/mean"] == pytest.approx(11 / 3)
    assert found["completion_tokens/max"] == 5
    assert all(math.isfinite(value) for value in found.values())
