"""How the evaluations of a job stand: which one was the best, and whether going on makes sense."""

from dataclasses import dataclass

from burnish.run_spec import EarlyStopping


@dataclass(frozen=True, slots=True)
class Best:
    """The best evaluation of an adapter so far. The base model has none, so it is never the best."""

    step: int
    """Policy version, counted over all stages."""
    adapter: str
    measure: float
    reward_set: int
    """What it was judged by: measures under different rewards cannot be compared."""


def better(candidate: Best, known: Best | None) -> bool:
    """Whether `candidate` takes the place of `known`; of two equals the earlier one stays."""
    if known is None or candidate.reward_set != known.reward_set:
        return True
    return candidate.measure > known.measure


@dataclass(frozen=True, slots=True)
class Patience:
    """The evaluations of one RL stage, as early stopping sees them."""

    best: float | None = None
    waited: int = 0
    """Evaluations in a row that did not improve on it."""
    over: str = ""
    """Why the stage ends; "" while it goes on."""

    def after(self, measure: float, config: EarlyStopping) -> "Patience":
        """What one more evaluation changes. The first one of a stage is what others improve on."""
        improved = self.best is None or measure > self.best + config.min_delta
        best = measure if improved or self.best is None else self.best
        waited = 0 if improved else self.waited + 1
        return Patience(best, waited, self._verdict(measure, best, waited, config))

    @staticmethod
    def _verdict(measure: float, best: float, waited: int, config: EarlyStopping) -> str:
        if config.target is not None and measure >= config.target:
            return f"the held-out rows came to {measure:.3f}, and {config.target:g} is the target"
        if config.patience and waited >= config.patience:
            times = "evaluation" if waited == 1 else f"{waited} evaluations"
            return f"the last {times} did not improve on {best:.3f}"
        return ""
