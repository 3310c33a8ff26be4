"""What rank 0 tells the others."""

from dataclasses import dataclass
from typing import TypeAlias

from svc_learner.engine.batching import MicroBatch
from svc_learner.engine.objective import Objective


@dataclass(frozen=True, slots=True)
class Load:
    """Read a base model and shard it."""

    base: str


@dataclass(frozen=True, slots=True)
class Free:
    """Give a base model's memory back."""

    base: str


@dataclass(frozen=True, slots=True)
class Adapter:
    """One that a pass uses.

    Attributes:
        key: its number, for as long as rank 0 holds it.
        fresh: its values have changed, and follow the command.
    """

    key: int
    rank: int
    alpha: float
    fresh: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One rank's micro-batch, and the key of its adapter."""

    adapter: int
    batch: MicroBatch
    objective: Objective


@dataclass(frozen=True, slots=True)
class Learn:
    """One forward and backward pass of all ranks at once.

    Attributes:
        base: the base model.
        adapters: those that the parts use.
        parts: of rank 0, 1, ...; at least one, and none for the ranks that have nothing to do.
        forgotten: keys of adapters that rank 0 no longer holds.
    """

    base: str
    adapters: tuple[Adapter, ...]
    parts: tuple[Part, ...]
    forgotten: tuple[int, ...] = ()

    @property
    def leashed(self) -> bool:
        """Whether some part asks for the bare base's log-probabilities: one more pass for all."""
        return any(part.objective.kl_weight for part in self.parts)


@dataclass(frozen=True, slots=True)
class Stop:
    """The learner ends."""


Command: TypeAlias = Load | Free | Learn | Stop
