"""Runs what is left of a study on a platform, a few jobs at a time, and notes each result."""

import itertools
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from burnish.errors import BurnishError, RetryableError
from burnish.run_spec import Start
from burnish.sdk import Client, Job
from burnish.spec import JobSpec
from examples.triton.showcase import plan, rows
from examples.triton.showcase.curves import history
from examples.triton.showcase.distill import with_own_kernels
from examples.triton.showcase.exam import Examiner
from examples.triton.showcase.ledger import Ledger, Run
from examples.triton.showcase.plan import Planned
from examples.triton.showcase.rows import Rows
from examples.triton.showcase.study import Form, Study

POLL_SECONDS = 2.0
RETRY_SECONDS = 15.0
PATIENCE = 20
"""Failures in a row after which the platform does not heal."""


class Runner:
    """Call `run`. Interrupted at any moment, the next one goes on with the same jobs.

    Args:
        study: what is compared.
        form: how large.
        data: rows of the study's task.
        revision: of the code.
        client: of the platform.
        examiner: judges finished models.
        ledger: where results go.
        work: folder for the rows' files.
        console: says what happens.
        at_once: jobs that are unfinished at the same time.
    """

    def __init__(
        self,
        study: Study,
        form: Form,
        data: Rows,
        *,
        revision: str,
        client: Client,
        examiner: Examiner,
        ledger: Ledger,
        work: Path,
        console: Console,
        at_once: int,
    ) -> None:
        self._study = study
        self._form = form
        self._data = data
        self._revision = revision
        self._client = client
        self._examiner = examiner
        self._ledger = ledger
        self._work = work
        self._console = console
        self._at_once = at_once
        self._done = {run.key: run for run in ledger.runs()}
        self._started = time.monotonic()
        self._spent: dict[str, float] = {}

    def run(self) -> None:
        """Finish the study; a platform that heals itself is waited for.

        Raises:
            BurnishError: the platform stays away, or jobs failed that must not; all others are done.
        """
        failures = 0
        while True:
            before = len(self._done)
            try:
                self._finish_study()
            except RetryableError as error:
                failures = 1 if len(self._done) > before else failures + 1
                if failures == PATIENCE:
                    raise
                self._console.print(Text(f"Once more, as {error}", style="dim"))
                time.sleep(RETRY_SECONDS)
            else:
                return

    def _finish_study(self) -> None:
        self._write_rows()
        every = plan.plan(self._study, self._form, self._data, self._revision)
        todo = [planned for planned in every if planned.key not in self._done]
        self._say(f"{len(every) - len(todo)} of {len(every)} runs are done.", todo)
        active: dict[str, Job] = {}
        failed: list[str] = []
        while todo:
            active |= self._submit([run for run in todo if run.key not in active], len(active))
            finished = self._next_finished(todo, active)
            if finished is None:
                time.sleep(POLL_SECONDS)
                continue
            todo.remove(finished)
            job = active.pop(finished.key, None)
            if job is None or job.state == "succeeded" or finished.arm.may_fail:
                self._finish(finished, job, todo)
            else:
                failed.append(
                    f"{job.id} ({finished.arm.name}, seed {finished.seed}): {job.message}"
                )
                todo = plan.without(todo, finished)
                self._say(f"{failed[-1]}.", todo)
        if failed:
            raise BurnishError(f"{len(failed)} jobs did not succeed: {'; '.join(failed)}")

    def _submit(self, waiting: Sequence[Planned], running: int) -> dict[str, Job]:
        """Start as many jobs as there is room for."""
        can_start = (run for run in plan.ready(waiting, self._done) if run.spec is not None)
        return {
            run.key: self._job_of(run)
            for run in itertools.islice(can_start, max(0, self._at_once - running))
        }

    def _job_of(self, planned: Planned) -> Job:
        """The run's job. It is known by the run's key, so an interrupted session finds it again.

        One that was cancelled, or failed where it must not, gets a successor.
        """
        over = {"cancelled"} if planned.arm.may_fail else {"cancelled", "failed"}
        for attempt in itertools.count(1):
            request_id = f"showcase-{planned.key}-{attempt}"
            job = self._client.submit(self._spec(planned), self._work, request_id=request_id)
            if job.state not in over:
                return job
        raise AssertionError

    def _spec(self, planned: Planned) -> JobSpec:
        if planned.spec is None:
            raise ValueError(f"{planned.arm.name} has no job")
        if not planned.after:
            return planned.spec
        before = self._done[planned.after]
        if not before.adapter:
            raise BurnishError(
                f"{before.arm}, seed {before.seed}, left no adapter: {before.message}"
            )
        changes: dict[str, object] = {"start": Start(adapter=before.adapter)}
        if planned.arm.own_kernels:
            changes["training_file"] = self._own_kernels(before)
        return planned.spec.model_copy(update=changes)

    def _own_kernels(self, before: Run) -> str:
        """Name of the file with the labelled rows and this run's own; it is written once."""
        path = self._work / f"own-{before.key}.jsonl"
        if not path.exists():
            self._console.print(Text(f"{before.adapter} labels whole kernels", style="dim"))
            train = with_own_kernels(self._examiner, before.adapter, self._data.train, before.seed)
            rows.write(train, path)
        return path.name

    def _next_finished(self, todo: Sequence[Planned], active: dict[str, Job]) -> Planned | None:
        """A run that can be examined: its job has ended, or it has none."""
        for planned in todo:
            if planned.spec is None:
                return planned
            if planned.key in active:
                job = self._client.jobs.get(active[planned.key].id)
                if job.finished:
                    active[planned.key] = job
                    return planned
        return None

    def _finish(self, planned: Planned, job: Job | None, todo: Sequence[Planned]) -> None:
        """Examine a run's model and note the result."""
        adapter = job.adapter.name if job is not None and job.adapter is not None else ""
        model = adapter or self._study.base_model(self._form)
        examined = getattr(self._data, self._form.examined)
        test = examined[: self._form.test_rows or None]
        answers = self._examiner.examine(model, test, self._form.exam, planned.seed)
        past = history(self._client, job, self._study.headline)
        run = Run(
            key=planned.key,
            arm=planned.arm.name,
            seed=planned.seed,
            revision=self._revision,
            job=job.id if job is not None else "",
            adapter=adapter,
            state=job.state if job is not None else "",
            message=job.message if job is not None else "",
            minutes=past.minutes,
            answers=answers,
            steps=past.steps,
            validation=past.validation,
        )
        self._ledger.add(run)
        self._done[run.key] = run
        self._spent[run.key] = planned.minutes
        failed = f" ({run.message})" if run.state == "failed" else ""
        self._say(
            f"{planned.arm.title}, seed {run.seed}: greedy {answers.greedy_rate:.3f}, sampled "
            f"{answers.sampled_rate:.3f}, {run.minutes:.1f} min{failed}.",
            todo,
        )

    def _write_rows(self) -> None:
        self._work.mkdir(parents=True, exist_ok=True)
        rows.write(self._data.train, self._work / "train.jsonl")
        rows.write(self._data.validation, self._work / "validation.jsonl")

    def _say(self, sentence: str, todo: Sequence[Planned]) -> None:
        wall = (time.monotonic() - self._started) / 60
        left = plan.minutes_left(todo, self._spent, wall)
        hours, minutes = divmod(round(left), 60)
        text = f"{sentence} {len(todo)} left, about {hours}:{minutes:02} h."
        self._console.print(Text(text), soft_wrap=True)
