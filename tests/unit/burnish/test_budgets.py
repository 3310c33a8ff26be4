"""Budgets against usage."""

import pytest

from burnish.budgets import Usage, spent
from burnish.run_spec import Budget


@pytest.mark.parametrize(
    ("budget", "stepping", "unit"),
    [
        (Budget(), True, None),
        (Budget(tokens=101, seconds=9.1, steps=4), True, None),
        (Budget(tokens=100), True, "tokens"),
        (Budget(seconds=9), False, "seconds"),
        (Budget(steps=3), True, "steps"),
        (Budget(steps=3), False, None),
        (Budget(tokens=1, steps=1), True, "tokens"),
    ],
)
def test_the_first_limit_in_the_way_is_named(
    budget: Budget, *, stepping: bool, unit: str | None
) -> None:
    limit = spent(budget, Usage(tokens=100, seconds=9.0, steps=3), stepping=stepping)
    assert (limit.unit if limit else None) == unit


def test_a_limit_is_a_sentence() -> None:
    limit = spent(Budget(tokens=1000), Usage(tokens=1034))
    assert str(limit) == "its budget of 1,000 tokens is used up (1,034)"
