"""What was measured: one JSON line for each finished run, so that a study goes on where it was."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Answers:
    """How the test rows were answered.

    Attributes:
        greedy: for each row, 1 where the greedy answer is correct.
        sampled: for each row, how many of `samples` drawn answers are correct.
        samples: answers drawn for each row.
        ran: share of the drawn answers that run, correct or not.
        speedup: mean of the correct ones, against the faster of eager and compiled PyTorch; None
            where speed is not measured.
    """

    greedy: tuple[int, ...]
    sampled: tuple[int, ...]
    samples: int
    ran: float
    speedup: float | None = None

    @property
    def greedy_rate(self) -> float:
        return sum(self.greedy) / len(self.greedy)

    @property
    def sampled_rate(self) -> float:
        """Pass@1 of the sampled model."""
        return sum(self.sampled) / (len(self.sampled) * self.samples)

    @property
    def any_rate(self) -> float:
        """Pass@k for k = `samples`."""
        return sum(correct > 0 for correct in self.sampled) / len(self.sampled)


@dataclass(frozen=True, slots=True)
class Run:
    """One finished run.

    Attributes:
        key: of everything that decides it; see `plan.Planned`.
        arm: name of the arm.
        seed: of the job.
        revision: of the code.
        job: its id; empty for the base model.
        adapter: what was examined; empty is the base model.
        state: how the job ended.
        message: in its own words.
        minutes: from its first step to its last.
        steps: figures of each RL step, by name.
        validation: optimizer step → share of validation rows that are correct.
        answers: to the test rows.
    """

    key: str
    arm: str
    seed: int
    revision: str
    job: str
    adapter: str
    state: str
    message: str
    minutes: float
    answers: Answers
    steps: tuple[Mapping[str, float], ...] = ()
    validation: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        answers = data["answers"]
        rows = {name: tuple(answers[name]) for name in ("greedy", "sampled")}
        steps = tuple(data["steps"])
        return cls(**{**data, "answers": Answers(**{**answers, **rows}), "steps": steps})


class Ledger:
    """A file of runs. A line that was cut off by a crash is as if it had never been written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def runs(self) -> tuple[Run, ...]:
        """All of them, oldest first; of two with one key the newer."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return ()
        found = {run.key: run for run in _readable(lines)}
        return tuple(found.values())

    def add(self, run: Run) -> None:
        """Append a run; it is on disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        whole = not self.path.exists() or self.path.read_bytes()[-1:] in {b"", b"\n"}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(("" if whole else "\n") + json.dumps(asdict(run)) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _readable(lines: Iterable[str]) -> Iterable[Run]:
    for line in lines:
        try:
            yield Run.from_json(json.loads(line))
        except (ValueError, KeyError, TypeError):
            continue
