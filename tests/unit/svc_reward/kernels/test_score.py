"""From stages to a score."""

import pytest

from burnish.reward_spec import TRITON_PARTS, TritonOptions
from svc_reward.lane.kernels.reports import Cost
from svc_reward.lane.kernels.score import Stages, bonus, parts, value

WEIGHTS = TritonOptions().weights
ALL = Stages(format=True, compiled=True, ran=True, correct=True)


@pytest.mark.parametrize(
    ("stages", "score"),
    [
        (Stages(), 0.0),
        (Stages(format=True), 0.1),
        (Stages(format=True, compiled=True), 0.3),
        (Stages(format=True, compiled=True, ran=True), 0.3),
        (ALL, 1.0),
        (ALL._replace(compiled=False), 0.1),
        (ALL._replace(compiled=None), 0.8),
        (ALL._replace(speedup=1.0), 1.0),
        (ALL._replace(speedup=2.0), 1.5),
        (ALL._replace(speedup=100.0), 2.0),
        (ALL._replace(speedup=100.0, correct=False), 0.3),
    ],
)
def test_score_by_the_default_weights(stages: Stages, score: float) -> None:
    assert value(stages, (), WEIGHTS) == score


def test_a_flag_takes_everything() -> None:
    assert value(ALL._replace(speedup=4.0), ("decoy_kernel",), WEIGHTS) == 0.0


def test_a_stage_that_is_left_out_counts_nothing() -> None:
    assert value(ALL, (), {"correct": 2.0}) == 2.0
    assert value(ALL, (), {}) == 0.0


@pytest.mark.parametrize(
    ("speedup", "share"),
    [(0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (2.0, 0.5), (4.0, 1.0), (9.0, 1.0)],
)
def test_bonus(speedup: float, share: float) -> None:
    assert bonus(speedup) == share


def test_parts_are_zero_or_one() -> None:
    assert parts(ALL) == {"format": 1.0, "compiled": 1.0, "ran": 1.0, "correct": 1.0}
    assert set(parts(Stages()).values()) == {0.0}
    assert list(parts(ALL._replace(speedup=1.5))) == list(TRITON_PARTS)


def test_what_was_not_measured_is_no_part() -> None:
    assert "compiled" not in parts(ALL._replace(compiled=None))
    assert "speedup" not in parts(ALL)


def test_proxies_are_named_as_such() -> None:
    stages = ALL._replace(cost=Cost(2, 800, 400, 64, 3), least_bytes=600)
    found = parts(stages)
    assert found["bytes_moved"] == 1200.0
    assert found["dot_flops"] == 64.0
    assert found["launches"] == 2.0
    assert found["proxy_cost"] == 2.0
