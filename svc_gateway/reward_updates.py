"""Another set of rewards for a job that runs: the learner takes it up at a step boundary.

Sets are only ever added, so every score's revisions can be looked up, and going back is one more
set that repeats an old one.
"""

from collections.abc import Sequence

from burnish.errors import ConflictError, NotFoundError, UserError
from burnish.v1 import common_pb2, job_pb2, jobs_service_pb2
from svc_gateway.codec import TERMINAL, first_reward_set
from svc_gateway.jobs import Jobs
from svc_gateway.projection import Projector
from svc_gateway.store import Store

MAX_SETS = 1000
"""Of one job: its record has to fit into one message."""

RewardSet = job_pb2.RewardSet
Request = jobs_service_pb2.UpdateJobRewardsRequest


class RewardUpdates:
    """Writes what a job's owner wants; the learner does it."""

    def __init__(self, *, store: Store, jobs: Jobs, projector: Projector) -> None:
        self._store = store
        self._jobs = jobs
        self._projector = projector

    async def update(self, request: Request) -> RewardSet:
        """Add a set; one that equals the newest adds nothing.

        Raises:
            NotFoundError: there is no such job, set or reward.
            ConflictError: the newest set is not the one that the caller saw.
            UserError: the job has ended, the step has begun, or a reward is not right.
        """
        job = await self._jobs.get(request.id)
        if job.state in TERMINAL:
            raise UserError(f"{job.id} has ended: its rewards stay as they were", field="id")
        await self._check_step(job, request.at_step)
        rewards: Sequence[common_pb2.RewardRef] = ()
        if not request.HasField("rollback_to"):
            rewards = await self._checked(job.spec, request)
        elif request.rewards:
            raise UserError("a rollback takes no rewards of its own", field="rewards")
        while (found := await self._store.jobs.get(job.id)) is not None:
            desired, revision = found
            sets = sets_of(desired)
            _check_newest(sets, request.newest_set)
            new = wanted(sets, request, rewards)
            if repeats_newest(sets, new):
                return sets[-1]
            new.created_at.GetCurrentTime()
            del desired.reward_sets[:]
            desired.reward_sets.extend([*sets, new])
            try:
                await self._store.jobs.update(job.id, desired, revision)
            except ConflictError:
                continue
            await self._projector.put_desired(desired)
            return new
        raise NotFoundError(f"there is no job {job.id!r}", field="id")

    async def _checked(
        self, spec: job_pb2.JobSpec, request: Request
    ) -> Sequence[common_pb2.RewardRef]:
        """The new rewards under all the rules of a new job, tried as at its creation."""
        changed = job_pb2.JobSpec()
        changed.CopyFrom(spec)
        del changed.rewards[:]
        changed.rewards.extend(request.rewards)
        return (await self._jobs.check_rewards(changed)).rewards

    async def _check_step(self, job: job_pb2.Job, at_step: int) -> None:
        found = await self._store.runs.get(job.id)
        first = 1 if found is None else found[0].policy_version + 2
        if at_step and at_step < first:
            raise UserError(
                f"step {at_step} has begun already, or is over",
                field="at_step",
                hint=f"from {first} on, or leave it out for the next boundary",
            )
        if job.total_steps and at_step > job.total_steps:
            raise UserError(
                f"{job.id} has only {job.total_steps} steps",
                field="at_step",
                hint="leave it out for the next boundary",
            )


def sets_of(job: job_pb2.DesiredJob) -> list[RewardSet]:
    """All sets, the spec's own first."""
    return list(job.reward_sets) or [first_reward_set(job.spec)]


def wanted(
    sets: Sequence[RewardSet], request: Request, rewards: Sequence[common_pb2.RewardRef]
) -> RewardSet:
    """The set that a request asks for, numbered behind those that exist.

    Raises:
        UserError: there is no set to go back to, or no room for another.
    """
    number = sets[-1].number + 1
    if number > MAX_SETS:
        raise UserError(f"a job has at most {MAX_SETS} sets of rewards", field="rewards")
    if not request.HasField("rollback_to"):
        return RewardSet(
            number=number, rewards=rewards, from_step=request.at_step, reason=request.reason
        )
    old = _target(sets, request.rollback_to)
    return RewardSet(
        number=number,
        rewards=old.rewards,
        from_step=request.at_step,
        repeats=old.number,
        reason=request.reason or f"rolled back to set {old.number}",
    )


def repeats_newest(sets: Sequence[RewardSet], new: RewardSet) -> bool:
    """The same request once more."""
    newest = sets[-1]
    same = list(newest.rewards) == list(new.rewards) and newest.repeats == new.repeats
    return same and (newest.number == 1 or newest.from_step == new.from_step)


def _target(sets: Sequence[RewardSet], number: int) -> RewardSet:
    """The set to go back to: a second rollback goes one further back than the first."""
    newest = sets[-1]
    number = number or (newest.repeats or newest.number) - 1
    for each in sets:
        if each.number == number:
            return each
    raise UserError(
        f"there is no set {number} of rewards"
        if number
        else "set 1 is the first: nothing is older",
        field="rollback_to",
        hint=f"sets 1 to {newest.number} exist",
    )


def _check_newest(sets: Sequence[RewardSet], seen: int) -> None:
    if seen and sets[-1].number != seen:
        raise ConflictError(f"set {sets[-1].number} is the newest, not {seen}: read the job again")
