"""Where a job may rest: asked before each step and each phase, answered by whoever wants a pause.

Three may want one: its owner, its budget, and the learner itself (an alarm). A pause is taken at a
step boundary, when everything that was learned is in the checkpoint that stands. Groups in flight
stay in flight: staleness counts steps, so the time of a pause does not age them, and their scores
wait in the log.
"""

from dataclasses import dataclass

from burnish.budgets import Usage, spent
from burnish.run_spec import Budget


@dataclass(frozen=True, slots=True)
class Pause:
    """Why a job pauses. `unit` is set where it needs a higher budget to go on."""

    reason: str
    unit: str = ""

    def message(self, job_id: str) -> str:
        """Why, and how to go on: for people."""
        option = f" --{self.unit} <more>" if self.unit else ""
        return f"{self.reason}; go on with `burnish jobs resume {job_id}{option}`"


BY_OWNER = Pause("its owner paused it")


class JobPausedError(Exception):
    """The job rests at the checkpoint that stands."""

    def __init__(self, pause: Pause) -> None:
        super().__init__(pause.reason)
        self.pause = pause


class HandedOverError(Exception):
    """Another learner is to go on with the job, from the checkpoint that stands."""


class Rest:
    """Owns no tasks and does no I/O."""

    def __init__(self) -> None:
        self.owner = False
        """Whether the job's owner wants it to pause."""
        self.budget = Budget()
        self.hand_over = False
        """Whether another learner is to go on with the job."""
        self.taken = False
        """Whether a pause was taken: what its owner wants from then on is for the next learner."""
        self._requested: Pause | None = None

    def take(self, pause: Pause) -> JobPausedError:
        """What to raise to come to rest."""
        self.taken = True
        return JobPausedError(pause)

    def request(self, reason: str) -> None:
        """Pause at the next boundary, for a reason that the job's owner should look at."""
        self._requested = self._requested or Pause(reason)

    @property
    def wanted(self) -> Pause | None:
        """The pause that somebody asked for, budgets aside."""
        return self._requested or (BY_OWNER if self.owner else None)

    def due(self, usage: Usage, *, stepping: bool) -> Pause | None:
        """The pause that has to be taken here, if any.

        Args:
            usage: so far.
            stepping: whether an optimizer step comes next: what only evaluates needs none.
        """
        limit = spent(self.budget, usage, stepping=stepping)
        return self.wanted if limit is None else Pause(str(limit), limit.unit)
