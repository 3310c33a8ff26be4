"""Judges a Triton kernel against a PyTorch model: the only process that knows the answers.

A candidate passes stages: its text is inspected, its module loads, its kernels run on hidden inputs,
every answer is right, every kernel compiles for the target. What it is worth is decided by `score`,
which hacks its behaviour proves by `evidence`.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..wire import Record, Status
from ..workers import Workers
from . import binaries, compiler, endings, evidence, oracle, score, task, trials
from .candidate import Start
from .clocks import Verdict
from .dialogue import Candidate, Lost, Raised
from .endings import Ending
from .evidence import Outcome
from .flags import Flag
from .inspection import Inspected, inspect
from .oracle import Oracle
from .reports import Cost, Launch
from .score import Stages
from .stopwatch import Stopwatch
from .template import TemplateError
from .trials import Purpose, Trial

SHARE = 1 / 3
"""A candidate's life, and a compiler's, in parts of the evaluation's: the rest is the reference's."""
BASELINES = 0.8
"""Part of the evaluation's time by which the task's own model has to be timed as well."""
PATIENCE = 2.0
"""Seconds of calls after which a kernel that is known to be wrong is not asked any further."""

_PURPOSES = {
    Purpose.DECLARED: "with inputs as the task draws them",
    Purpose.CHANGED: "when its inputs were changed in place",
    Purpose.REPEATED: "when it was asked a second time",
    Purpose.STRIDED: "with inputs that are not contiguous",
    Purpose.SHAPED: "with inputs of another shape",
    Purpose.TIMED: "when it was timed",
}


def grade(job: Mapping[str, Any], workers: Workers) -> Record:
    """Judge one completion.

    Args:
        job: "completion", "example" (task, and optionally template, shapes, allow_ops, strided),
            "options" (of the preset, complete), "seed", and on a GPU "device". Tests have "time", which
            times the interpreter as if it were a GPU.
        workers: starts the candidate's and the compiler's processes.

    Returns:
        A record with parts where the kernel was judged; an ERROR without any where the example is
        at fault.
    """
    example: Mapping[str, str] = job["example"]
    options: Mapping[str, Any] = job["options"]
    if not example.get("task", "").strip():
        hint = "the source of a module with Model, get_inputs and get_init_inputs"
        return Record(Status.ERROR, 0.0, f"example.task: is missing; it holds {hint}")
    try:
        found = inspect(job["completion"], example)
        if found.source is None or found.flags:
            compiled = False if options["compile"] else None
            stages = Stages(format=found.source is not None, compiled=compiled)
            return _record(Status.OK, stages, found.flags, options, found.message)
        return _Evaluation(found, job, workers.seconds).run(workers)
    except TemplateError as error:
        return Record(Status.ERROR, 0.0, f"example.template: {error}")
    except task.ShapesError as error:
        return Record(Status.ERROR, 0.0, f"example.shapes: {error}")
    except task.TaskError as error:
        return Record(Status.ERROR, 0.0, f"example.task: {error}")


class _Evaluation:
    """One candidate on its way through the stages.

    Args:
        found: the candidate.
        job: see `grade`.
        seconds: that it may take.
    """

    def __init__(self, found: Inspected, job: Mapping[str, Any], seconds: float) -> None:
        example: Mapping[str, str] = job["example"]
        source, shapes = example["task"], example.get("shapes") or ""
        seed = int(job["seed"])
        self._found = found
        device = job.get("device", "cpu")
        self._start = Start(found.source or "", device=device)
        self._example = example
        self._options: Mapping[str, Any] = job["options"]
        self._seconds = seconds * SHARE
        self._last = time.monotonic() + seconds * BASELINES
        self._seed = seed
        self._oracle = Oracle(source, task.variants(source, shapes, seed), seed)
        timed = device == "cuda" or job.get("time", False)
        rewarded = bool(self._options["weights"].get("speedup"))
        self._stopwatch = Stopwatch(self._oracle, seed, device) if timed and rewarded else None
        self._shapes_declared = bool(shapes.strip())
        self._outcomes: list[Outcome] = []
        self._launches: list[Launch] = []
        self._notes: list[str] = []
        self._models: list[Any] = []
        self._ending: Ending | None = None
        self._least_bytes = 0

    def run(self, workers: Workers) -> Record:
        candidate = Candidate(workers, self._start, self._seconds)
        try:
            candidate.loaded()
            self._oracle.examine(declared=self._shapes_declared)
            self._ask(candidate)
            self._time(candidate)
        except Raised as raised:
            self._note_failure(raised)
        except Lost as lost:
            self._ending = lost.ending
            self._notes.append(f"the kernel's process {lost.ending.text}")
        finally:
            candidate.close()
        return self._verdict(workers)

    def _ask(self, candidate: Candidate) -> None:
        """Put every trial to the candidate, until nothing more can be learned."""
        started = time.monotonic()
        strided = bool(self._example.get("strided"))
        extra = len(self._oracle.variants) - 1
        sets = int(self._options["trials"])
        for trial in trials.plan(self._seed, variants=extra, strided=strided, sets=sets):
            outcome = self._try(candidate, trial)
            self._outcomes.append(outcome)
            if outcome.right or not outcome.judged:
                continue
            raised = outcome.report is None and trial.purpose is not Purpose.SHAPED
            if raised or time.monotonic() - started > PATIENCE:
                return

    def _time(self, candidate: Candidate) -> None:
        """Have a kernel that has shown no fault run against the clock."""
        right = all(outcome.right for outcome in self._outcomes if outcome.judged)
        if self._stopwatch is not None and right and not self._flags():
            # A new model: kernels that did not run may have left its buffers in any state.
            self._models.clear()
            self._outcomes.extend(self._stopwatch.time(candidate, self._model(candidate, 0)))

    def _try(self, candidate: Candidate, trial: Trial) -> Outcome:
        try:
            model = self._model(candidate, trial.variant)
        except Raised as raised:
            if trial.purpose is not Purpose.SHAPED:
                raise
            return self._raised(trial, raised)
        inputs = self._oracle.inputs(trial)
        expected = self._oracle.answer(trial, inputs)
        if trial.purpose is Purpose.DECLARED and not self._least_bytes:
            reference = self._oracle.variants[0].reference
            self._least_bytes = oracle.size(inputs, reference.model, expected)
        try:
            answer = candidate.call(
                model,
                inputs,
                slot=trial.slot,
                ablated=not _judged(trial),
                expected=expected.layouts,
            )
        except Raised as raised:
            return self._raised(trial, raised)
        self._launches += answer.report.launches
        outcome = Outcome(trial, expected, oracle.elements(inputs), report=answer.report)
        return evidence.compared(outcome, answer.outputs, accumulates=self._oracle.accumulates)

    def _raised(self, trial: Trial, raised: Raised) -> Outcome:
        """A call that raised; where a limit was met, the end of the conversation."""
        self._launches += raised.failure.launches
        status = endings.of_failure(raised.failure)
        if status is not Status.OK:
            raise Lost(Ending(status, raised.failure.text))
        nothing = oracle.nothing()
        return Outcome(trial, nothing, 0, text=raised.failure.text)

    def _model(self, candidate: Candidate, index: int) -> int:
        """The number of the candidate's model for a variant; made when first needed.

        A variant whose model is made with the same arguments shares it.
        """
        variant = self._oracle.variants[index]
        signature = repr(variant.arguments)
        for number, (known, owner) in enumerate(self._models):
            if known == signature:
                variant.share(owner)
                return number
        number = len(self._models)
        layouts = candidate.build(number, variant.seed, variant.arguments)
        note = self._oracle.perturb(index, layouts)
        if variant.state:
            candidate.load(number, variant.state)
        if note and note not in self._notes:
            self._notes.append(note)
        self._models.append((signature, variant))
        return number

    def _verdict(self, workers: Workers) -> Record:
        judged = [outcome for outcome in self._outcomes if outcome.judged]
        wrong = next((outcome for outcome in judged if not outcome.right), None)
        complete = self._ending is None and bool(judged) and len(self._outcomes) > len(judged)
        built = self._compile(workers)
        ran = [o for o in judged if o.trial.purpose is not Purpose.SHAPED]
        stages = Stages(
            format=True,
            compiled=built.ok if built else None,
            ran=bool(ran) and all(outcome.report is not None for outcome in ran),
            correct=complete and wrong is None,
            cost=self._cost(),
            least_bytes=self._least_bytes,
        )
        flags = tuple(dict.fromkeys(self._flags()))
        speed = Verdict()
        if self._stopwatch and stages.correct and stages.compiled is not False and not flags:
            speed = self._stopwatch.verdict(self._last - time.monotonic())
            stages = stages._replace(speedup=speed.speedup)
            flags = (Flag.CLOCK_TAMPERING,) if speed.tampered else ()
            self._notes.append(speed.text)
        status = self._ending.status if self._ending else Status.OK
        return _record(status, stages, flags, self._options, self._message(wrong, built, stages))

    def _compile(self, workers: Workers) -> binaries.Binaries | None:
        if not self._options["compile"]:
            return None
        kernels = self._found.kernels
        launches = binaries.distinct(self._launches or kernels.guesses)
        if not launches:
            return binaries.Binaries(ok=False, text="no kernel was launched, so none was compiled")
        order = compiler.Order(kernels.source, launches, self._options["target"])
        return binaries.make(workers, order, self._seconds)

    def _flags(self) -> Sequence[str]:
        allowed = frozenset((self._example.get("allow_ops") or "").replace(",", " ").split())
        found = list(evidence.conduct(self._outcomes, allowed))
        return found or list(
            evidence.failure(
                self._outcomes,
                accumulates=self._oracle.accumulates,
                ignoring=self._oracle.ignoring,
                coarse=self._oracle.coarse,
            )
        )

    def _cost(self) -> Cost | None:
        for outcome in self._outcomes:
            if outcome.trial.purpose is Purpose.DECLARED and outcome.report is not None:
                return outcome.report.cost
        return None

    def _note_failure(self, raised: Raised) -> None:
        status = endings.of_failure(raised.failure)
        self._notes.append(raised.failure.text)
        if status is not Status.OK:
            self._ending = Ending(status, raised.failure.text)

    def _message(
        self, wrong: Outcome | None, built: binaries.Binaries | None, stages: Stages
    ) -> str:
        lines = []
        if wrong is not None:
            what = wrong.text or (wrong.finding.text if wrong.finding else "")
            lines.append(f"wrong {_PURPOSES[wrong.trial.purpose]}: {what}")
        if stages.correct:
            count = sum(outcome.judged for outcome in self._outcomes)
            lines.append(f"right in all of {count} hidden calls")
        if built is None:
            pass
        elif built.ok:
            lines.append(
                f"compiled: {built.registers} registers, {built.spills} bytes spilled,"
                f" {built.shared} bytes of shared memory"
            )
        else:
            lines.append(built.text)
        return "\n".join([*lines, *self._notes])


def _judged(trial: Trial) -> bool:
    return trial.purpose is not Purpose.ABLATED


def _record(
    status: Status,
    stages: Stages,
    flags: tuple[str, ...],
    options: Mapping[str, Any],
    message: str,
) -> Record:
    earned = score.value(stages, flags, options["weights"]) if status is Status.OK else 0.0
    return Record(status, earned, message, tuple(score.parts(stages).items()), flags)
