"""What travels between the learner's modules.

Sequences of tokens are tuples: a group is read from the log once and may be trained much later, so
nothing that holds one may change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

LossName: TypeAlias = Literal["cispo", "dr_grpo", "grpo"]
AdvantageName: TypeAlias = Literal["centered", "standardized"]


@dataclass(frozen=True, slots=True)
class Score:
    """The verdict of one reward function; `value` is set if and only if `status` is "ok"."""

    name: str
    revision: str
    status: str
    value: float | None
    weight: float = 1.0
    message: str = ""
    stdout: str = ""
    seconds: float = 0.0
    cpu_ms: float = 0.0
    isolation: str = ""
    flags: tuple[str, ...] = ()
    parts: Mapping[str, float] = field(default_factory=dict)
    image: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """One scored completion.

    `tokens` and `logprobs` have equal length; `logprobs` are log mu under the distribution that
    really sampled. A completion without a `reward` leaves its group before the baseline.
    """

    id: str
    group_id: str
    index: int
    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    text: str
    truncated: bool
    policy_version: int
    reward: float | None
    scores: tuple[Score, ...] = ()
    message: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Cancellation:
    """None of the group's missing completions will come."""

    group_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """A group that was dispatched. `label` is "" for training, else names the evaluation."""

    group_id: str
    row: int
    size: int
    policy_version: int
    label: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A group at its end: every completion that will ever come, in index order."""

    ticket: Ticket
    completions: tuple[Completion, ...]
    cancelled: str = ""

    @property
    def id(self) -> str:
        return self.ticket.group_id

    @property
    def policy_version(self) -> int:
        """The oldest policy that sampled a member: staleness is judged by it."""
        versions = [completion.policy_version for completion in self.completions]
        return min(versions, default=self.ticket.policy_version)


@dataclass(frozen=True, slots=True)
class Sample:
    """One completion as the training step sees it, whatever algorithm it comes from.

    `weight` multiplies each of its token losses. Without `logprobs` the loss is cross-entropy.
    """

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    weight: float = 1.0
    advantage: float = 0.0
    logprobs: tuple[float, ...] | None = None
    staleness: int = 0


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A durable optimizer step, kept in the checkpoint until its event is surely out."""

    stage: str
    step: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    groups: Sequence[str] = ()
