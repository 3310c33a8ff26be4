"""What travels between the learner's modules.

Sequences of tokens are tuples: a group is read from the log once and may be trained much later, so
nothing that holds one may change it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from burnish.budgets import Usage
from svc_learner.pipeline.timing import Timing


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
    attempt: int = 0
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True)
class Cancellation:
    """None of the group's missing completions will come. `failed`: sampling gave up."""

    group_id: str
    reason: str
    failed: bool = False
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Ticket:
    """A group that was dispatched. `label` is "" for training, else names the evaluation.

    `level` is the row's in the stage's curriculum; "" without one. `reward_set` is the number of
    the rewards that judge it.
    """

    group_id: str
    row: int
    size: int
    policy_version: int
    label: str = ""
    level: str = ""
    reward_set: int = 1

    @property
    def number(self) -> int:
        """Within the group's series, from 0."""
        return int(self.group_id.rpartition(".")[2])


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

    @property
    def length(self) -> int:
        """Tokens of all its prompts and completions."""
        return sum(len(each.prompt) + len(each.tokens) for each in self.completions)


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
    bottleneck: str = ""
    usage: Usage = field(default_factory=Usage)
    """Of the job up to here."""


@dataclass(frozen=True, slots=True)
class Advance:
    """A curriculum opened a level: kept in the checkpoint until its event is surely out."""

    step: int
    """The first step whose new groups may be of this level, counted over all stages, from 1."""
    level: str
    number: int
    """The level's place, from 1, among so many."""
    levels: int
    message: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A sign that a reward is being gamed: kept in the checkpoint until its event is surely out."""

    step: int
    kind: str
    message: str
    value: float
    threshold: float
    paused: bool = False
