"""What the command line makes of a set of rewards, and of re-scored completions."""

import pytest

from burnish.cli.job_rewards import changed, figures, rank_correlation
from burnish.errors import UserError
from burnish.sdk import RewardRef, RewardSet

SET = RewardSet(
    number=2,
    rewards=(
        RewardRef("a", "0" * 64, 1.0, group=False),
        RewardRef("b", "1" * 64, 0.5, group=False),
    ),
    from_step=1,
    repeats=0,
    reason="",
    created_at=None,
)


def test_what_is_not_named_stays() -> None:
    found = {each.name: each for each in changed(SET, ["b=new.py"], ["c=watch.py"], ["a=2"])}
    assert (found["a"].revision, found["a"].weight) == ("0" * 64, 2.0)
    assert (found["b"].file, found["b"].weight) == ("new.py", 0.5)
    assert (found["c"].file, found["c"].weight) == ("watch.py", 0.0)


@pytest.mark.parametrize(
    ("weights", "words"),
    [(["a"], "NAME=VALUE"), (["x=1"], "no reward 'x'"), (["a=much"], "not a number")],
)
def test_a_weight_that_fits_nothing_is_refused(weights: list[str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        changed(SET, [], [], weights)


def test_rank_correlation_against_known_values() -> None:
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)
    assert rank_correlation([1, 2, 2, 4], [1, 3, 2, 4]) == pytest.approx(0.9486832980505138)
    assert rank_correlation([1, 1], [1, 2]) is None
    assert figures([], [])["new mean"] is None
