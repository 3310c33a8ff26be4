"""Pausing, resuming and forking jobs: the owner's wish is written here, the learner acts on it.

The wish and the job's run record have one writer each. Whoever writes one reads the other
afterwards, so a resume and a pause that pass each other are always seen by one side, which then
asks for the job again; asking twice has no second effect.
"""

from collections.abc import Callable

from burnish.budgets import Usage, spent
from burnish.errors import ConflictError, NotFoundError, UserError
from burnish.run_spec import Budget
from burnish.v1 import job_pb2, jobs_service_pb2
from svc_gateway.codec import TERMINAL, first_reward_set, spec_in_force
from svc_gateway.jobs import Jobs, waits_for_request
from svc_gateway.projection import Projector
from svc_gateway.starts import Starts, pick
from svc_gateway.store import Store

Job = job_pb2.Job
DesiredJob = job_pb2.DesiredJob


class Lifecycle:
    """Stops jobs at a checkpoint, and lets them go on from one."""

    def __init__(self, *, store: Store, jobs: Jobs, starts: Starts, projector: Projector) -> None:
        self._store = store
        self._jobs = jobs
        self._starts = starts
        self._projector = projector

    async def pause(self, job_id: str) -> Job:
        """Stop a job at its next step boundary. Repeating it changes nothing.

        Raises:
            NotFoundError: there is no such job.
            UserError: it has ended, or is being cancelled.
        """
        await self._check_going_on(job_id, "pause")

        def wish(job: DesiredJob) -> bool:
            changed = not job.paused
            job.paused = True
            return changed

        await self._change(job_id, wish)
        return await self._jobs.get(job_id)

    async def resume(self, request: jobs_service_pb2.ResumeJobRequest) -> Job:
        """Go on from where the job was paused, with another budget if one is given.

        Raises:
            NotFoundError: there is no such job.
            UserError: it is not paused, or its budget would stop it at once.
        """
        await self._check_going_on(request.id, "resume")
        found = await self._store.runs.get(request.id)
        run = job_pb2.JobRun() if found is None else found[0]

        def wish(job: DesiredJob) -> bool:
            if waits_for_request(job, run):
                return False  # resumed before; the request may have been lost
            if not job.paused and run.state != job_pb2.JOB_STATE_PAUSED:
                raise UserError(f"{job.id} is not paused", field="id")
            budget = request.budget if request.HasField("budget") else spec_in_force(job).budget
            check_budget(budget, run.usage)
            job.budget.CopyFrom(budget)
            job.paused = False
            job.resumes += 1
            return True

        await self._change(request.id, wish)
        await self._jobs.request_if_waiting(request.id)
        return await self._jobs.get(request.id)

    async def fork(self, request: jobs_service_pb2.ForkJobRequest) -> Job:
        """A new job that begins at a kept checkpoint of another one.

        Raises:
            NotFoundError: there is no such job, or it keeps no such checkpoint.
            UserError: the new job is not right, or the checkpoint does not fit it.
        """
        await self._jobs.get(request.id)
        found = await self._store.jobs.get(request.id)
        if found is None:
            raise NotFoundError(f"there is no job {request.id!r}", field="id")
        checkpoint = pick(await self._starts.checkpoints(request.id), request.id, request.step)
        spec = job_pb2.JobSpec()
        spec.CopyFrom(request.spec if request.HasField("spec") else await self._as_it_is(found[0]))
        spec.start.checkpoint.job_id = request.id
        spec.start.checkpoint.step = checkpoint.step
        return await self._jobs.create(spec, request.request_id)

    async def checkpoints(self, job_id: str) -> list[job_pb2.Checkpoint]:
        """Those that a job keeps, newest first."""
        await self._jobs.get(job_id)
        return await self._starts.checkpoints(job_id)

    async def _as_it_is(self, job: DesiredJob) -> job_pb2.JobSpec:
        """The spec with the rewards and the budget that are in force."""
        spec = spec_in_force(job)
        run = await self._store.runs.get(job.id)
        number = run[0].reward_set if run is not None else 0
        sets = [first_reward_set(job.spec), *job.reward_sets]
        rewards = next((each.rewards for each in sets if each.number == number), spec.rewards)
        kept = list(rewards)
        del spec.rewards[:]
        spec.rewards.extend(kept)
        return spec

    async def _check_going_on(self, job_id: str, verb: str) -> None:
        job = await self._jobs.get(job_id)
        if job.state in TERMINAL:
            raise UserError(
                f"{job_id} has ended, there is nothing to {verb}",
                field="id",
                hint=f"`burnish jobs fork {job_id}` goes on from one of its checkpoints",
            )

    async def _change(self, job_id: str, wish: Callable[[DesiredJob], bool]) -> None:
        """Write what `wish` makes of the job, unless it says that nothing changes."""
        while (found := await self._store.jobs.get(job_id)) is not None:
            desired, revision = found
            if desired.cancelled:
                raise UserError(f"{job_id} is being cancelled", field="id")
            if not wish(desired):
                return
            try:
                await self._store.jobs.update(job_id, desired, revision)
            except ConflictError:
                continue
            await self._projector.put_desired(desired)
            return


def check_budget(budget: job_pb2.Budget, usage: job_pb2.Usage) -> None:
    """Raises UserError if a job that has used so much would pause again at once."""
    limits = Budget(tokens=budget.tokens, seconds=budget.seconds, steps=budget.steps)
    limit = spent(limits, Usage(usage.tokens, usage.seconds, usage.steps))
    if limit is not None:
        raise UserError(
            f"{limit.used:,.10g} of {limit.limit:,.10g} {limit.unit} are used up",
            field=f"budget.{limit.unit}",
            hint=f"more than {limit.used:,.10g}, or 0 for no limit",
        )
