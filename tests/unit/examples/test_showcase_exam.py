"""How answers are judged. That models answer is tested on the platform, by `tests/e2e`."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from burnish.errors import RetryableError
from burnish.reward_spec import RewardDefinition
from burnish.sdk import RewardVerdict
from examples.triton.showcase.exam import ATTEMPTS, Examiner

ROWS = [{"prompt": "torch.neg(x)"}, {"prompt": "torch.exp(x)"}]


def verdict(status: str, correct: float = 0.0, flags: tuple[str, ...] = ()) -> RewardVerdict:
    parts = {"correct": correct, "ran": 1.0}
    return RewardVerdict(status, correct, "", "", 0.1, 1.0, "docker", parts, flags, "", 0)


class Rewards:
    """Says what it is told of each completion, and remembers what it was asked."""

    def __init__(self, said: dict[str, list[RewardVerdict]]) -> None:
        self.said = said
        self.asked: list[str] = []

    def test(self, *, completions: Sequence[str], **_: object) -> tuple[RewardVerdict, ...]:
        self.asked += completions
        return tuple(
            self.said[each].pop(0) if len(self.said[each]) > 1 else self.said[each][0]
            for each in completions
        )


def examiner(rewards: Rewards) -> Examiner:
    client: Any = SimpleNamespace(rewards=rewards)
    reward = RewardDefinition.parse({"preset": "triton"})
    return Examiner(client, "http://127.0.0.1:1", reward, "triton/correct")


def test_equal_answers_to_a_row_are_judged_once() -> None:
    rewards = Rewards({"out = -x": [verdict("ok", 1.0)], "out = x": [verdict("ok")]})
    judge = examiner(rewards)
    texts = [["out = -x", "out = x", "out = -x"], ["out = x", "out = x", "out = x"]]

    verdicts = judge._judge(ROWS, texts)

    assert rewards.asked == ["out = -x", "out = x", "out = x"]
    assert judge._count(texts, verdicts) == (2, 0)


def test_what_the_infrastructure_failed_to_judge_is_judged_again() -> None:
    rewards = Rewards({"out = -x": [verdict("lane_error"), verdict("ok", 1.0)]})
    judge = examiner(rewards)

    assert judge._count([["out = -x"]], judge._judge(ROWS[:1], [["out = -x"]])) == (1,)
    assert len(rewards.asked) == 2


def test_a_sandbox_that_stays_away_is_no_score() -> None:
    rewards = Rewards({"out = -x": [verdict("sandbox_unavailable")]})

    with pytest.raises(RetryableError, match="1 answers could not be judged"):
        examiner(rewards)._judge(ROWS[:1], [["out = -x"]])
    assert len(rewards.asked) == ATTEMPTS


def test_a_flagged_kernel_is_not_correct_and_a_timeout_is_not_either() -> None:
    said = {"a": [verdict("ok", 1.0, ("decoy_kernel",))], "b": [verdict("timeout")]}
    judge = examiner(Rewards(said))

    assert judge._count([["a", "b"]], judge._judge(ROWS[:1], [["a", "b"]])) == (0,)
