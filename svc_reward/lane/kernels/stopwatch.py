"""Times a candidate against the task's own model, from the grader's side.

A repetition is: inputs that were never used before go into buffers that take turns, caches are
flushed, the device is idle; READY; GO; the call, until every stream is idle; TIMED. So between GO and
TIMED the grader's own clock sees the call and the link, and nothing else. Which repetitions are
compared afterwards, and how many there are, the candidate does not know.

The task's model runs in this process, on the same device, when the candidate's process is gone. It is
measured anew in each evaluation: nothing that judges lives longer than one.
"""

import contextlib
import copy
import functools
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

import torch

from . import clocks, evidence, oracle, packing
from .clocks import Baseline, Lap, Repetition, Step, Verdict
from .dialogue import Candidate, Raised
from .evidence import Outcome
from .faults import describe
from .oracle import Oracle
from .task import FILENAME
from .timing import Rig
from .trials import Purpose, Trial

BUDGET = 0.7
"""Part of what is left of the candidate's life that repetitions may take."""
BASELINE_RUNS = 11
BASELINE_WARM_UP = 3
ENOUGH = 2000.0
"""Milliseconds after which a slow baseline, once run LEAST_RUNS times, is known well enough."""
LEAST_RUNS = 3


class Stopwatch:
    """Laps of one candidate.

    Args:
        oracle: has the inputs and the answers.
        seed: the job's.
        device: "cuda"; in tests "cpu", whose laps say something of the interpreter alone.
    """

    def __init__(self, oracle: Oracle, seed: int, device: str) -> None:
        self._oracle = oracle
        self._seed = seed
        self._device = device
        self._laps: list[Lap] = []
        self._empty: list[Lap] = []
        self._written = 0

    def time(self, candidate: Candidate, model: int) -> Iterator[Outcome]:
        """Have it run against the clock, as long as its life allows.

        Args:
            candidate: found right in every call so far.
            model: that of the task as it stands.

        Yields:
            The calls that were compared, or raised; after one that is wrong there is nothing more.

        Raises:
            Lost: its process is of no more use.
        """
        end = time.monotonic() + BUDGET * candidate.seconds_left
        for repetition in clocks.schedule(self._seed):
            if time.monotonic() > end:
                return
            outcome = self._repeat(candidate, model, repetition)
            if outcome is not None:
                yield outcome
                if not outcome.right:
                    return

    def verdict(self, seconds: float) -> Verdict:
        """What the laps are worth; runs the task's own model.

        Args:
            seconds: that this may take.
        """
        refused = clocks.refuse(self._laps, self._empty)
        if refused is not None:
            return refused
        rig = Rig(self._device)
        try:
            baselines, missing = self._baselines(rig, seconds)
            least = clocks.floor(self._written, rig.bandwidth())
        except Exception as error:  # noqa: BLE001 - the device's and the task's; no fault of the kernel
            return Verdict(text=f"speed not measured: {describe(error, FILENAME)}")
        found = clocks.judge(self._laps, self._empty, baselines, least)
        return found._replace(text="\n".join([found.text, *missing]))

    def _repeat(self, candidate: Candidate, model: int, repetition: Repetition) -> Outcome | None:
        step, draw, slot = repetition
        trial = Trial(Purpose.TIMED, draw, slot=slot)
        inputs = self._oracle.inputs(trial)
        compared = step in {Step.VERIFIED, Step.TRACED}
        # Known before the call: what is asked for at once cannot be finished in the meantime.
        expected = self._oracle.answer(trial, inputs) if compared else oracle.nothing()
        try:
            lap = candidate.time(
                model, inputs, slot=slot, empty=step is Step.EMPTY, traced=step is Step.TRACED
            )
            if step is Step.EMPTY:
                self._empty.append(lap)
            elif step in {Step.COUNTED, Step.VERIFIED}:
                self._laps.append(lap)
            if not compared:
                return None
            self._written = packing.size_of(expected.layouts)
            answer = candidate.show(expected.layouts)
        except Raised as raised:
            return Outcome(trial, oracle.nothing(), 0, text=raised.failure.text)
        outcome = Outcome(trial, expected, oracle.elements(inputs), report=answer.report)
        return evidence.compared(outcome, answer.outputs, accumulates=self._oracle.accumulates)

    def _baselines(self, rig: Rig, seconds: float) -> tuple[list[Baseline], list[str]]:
        """The task's model as it is and, on a GPU, compiled; and why one is missing.

        PyTorch cannot compile every model, and not without a C compiler, so eager alone will do.
        """
        end = time.monotonic() + seconds
        model = copy.deepcopy(self._oracle.variants[0].reference.model).to(self._device)
        found = [Baseline("eager PyTorch", self._measure(rig, model, seconds))]
        missing: list[str] = []
        if self._device != "cpu":
            try:
                compiled = torch.compile(model, options={"compile_threads": 1})
                taken = self._measure(rig, compiled, end - time.monotonic())
                found.append(Baseline("torch.compile", taken))
            except Exception as error:  # noqa: BLE001 - whatever a compiler raises
                missing.append(f"without torch.compile: {describe(error, FILENAME)}")
        return found, missing

    def _measure(self, rig: Rig, model: Callable[..., object], seconds: float) -> float:
        """The median, over inputs of which no two are the same.

        Raises:
            TimeoutError: it takes too long.
        """
        taken: list[float] = []
        with torch.no_grad(), _within(seconds):
            for index in range(BASELINE_WARM_UP + BASELINE_RUNS):
                inputs = self._inputs(clocks.FIRST_DRAW + index)
                rig.flush()
                taken.append(rig.run(functools.partial(model, *inputs))[0])
                counted = taken[BASELINE_WARM_UP:]
                if len(counted) >= LEAST_RUNS and sum(counted) > ENOUGH:
                    break
        return median(taken[BASELINE_WARM_UP:])

    def _inputs(self, draw: int) -> Sequence[Any]:
        tensors: list[torch.Tensor] = []
        drawn = self._oracle.inputs(Trial(Purpose.TIMED, draw))
        tree = packing.encode(list(drawn), tensors)
        found: Sequence[Any] = packing.decode(tree, [t.to(self._device) for t in tensors])
        return found


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    """Bound what cannot be asked to stop, such as a compiler.

    Raises:
        TimeoutError: it took too long.
    """

    def late(*_: object) -> None:
        raise TimeoutError("took too long")

    previous = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
