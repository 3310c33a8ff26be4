"""What a job may use and what it has used: one comparison, for the learner and for the gateway."""

from dataclasses import dataclass

from burnish.run_spec import Budget


@dataclass(slots=True)
class Usage:
    """What a job has used so far, by the units of its budget."""

    tokens: int = 0
    """Of prompts and completions, training and evaluation, once their group is closed."""
    seconds: float = 0.0
    """Of running, pauses aside."""
    steps: int = 0
    """Optimizer steps that this job took itself: a fork begins at 0."""


@dataclass(frozen=True, slots=True)
class Spent:
    """A limit that is reached."""

    unit: str
    limit: float
    used: float

    def __str__(self) -> str:
        """For example `its budget of 1,000 tokens is used up (1,034)`."""
        return f"its budget of {self.limit:,.10g} {self.unit} is used up ({self.used:,.10g})"


def spent(budget: Budget, usage: Usage, *, stepping: bool = True) -> Spent | None:
    """The first limit that stands in the way of going on.

    Args:
        budget: 0 is no limit.
        usage: so far.
        stepping: whether an optimizer step comes next: what only evaluates needs no steps.
    """
    for unit in ("tokens", "seconds", "steps") if stepping else ("tokens", "seconds"):
        limit, used = getattr(budget, unit), getattr(usage, unit)
        if limit and used >= limit:
            return Spent(unit, limit, used)
    return None
