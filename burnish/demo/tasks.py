"""The examples that the demo can run, and their short form."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import burnish
from burnish import datasets
from burnish.errors import SetupError
from burnish.spec import JobSpec
from burnish.stage_spec import RlStage, Stage

SHORT_ROWS = 8
"""Held-out rows of the short form."""
SHORT_SHARE = 4
"""The short form takes one of so many RL steps."""
SHORT_MIN_STEPS = 3


@dataclass(frozen=True, slots=True)
class Task:
    """One folder of `examples/`: a job with its data and rewards."""

    name: str
    title: str
    subject: str
    """The column that says in a few words what a row asks for."""
    headline: str
    """The score that the table calls correctness."""


TASKS = {
    task.name: task
    for task in (
        Task("triton", "PyTorch operations become Triton kernels", "expression", "triton/correct"),
        Task("extraction", "sentences become JSON objects", "prompt", "correct"),
    )
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A task's job, ready to be submitted from `folder`."""

    task: Task
    spec: JobSpec
    folder: Path
    subjects: dict[str, str]
    """Held-out row id → what it asks for."""
    digest: str
    """Of everything that decides the outcome: spec, data, rewards, version."""


def prepare(task: Task, work: Path, *, short: bool) -> Prepared:
    """Read the task's job; the short form's files are written to `work`.

    Raises:
        SetupError: The examples are not there.
    """
    folder = _folder(task)
    spec = JobSpec.from_file(folder / "job.yaml")
    if short:
        spec = shorten(spec, _short_rows(folder / spec.evaluation_file, work))
    path = folder / spec.evaluation_file
    rows = datasets.parse(path.read_bytes(), path.name).rows
    subjects = {row.id: row.example.get(task.subject, "") for row in rows}
    return Prepared(task, spec, folder, subjects, _digest(spec, folder))


def shorten(spec: JobSpec, evaluation_file: Path) -> JobSpec:
    """The same job with fewer RL steps and held-out rows."""
    stages = tuple(
        Stage(rl=_shorter(stage.rl)) if stage.rl is not None else stage for stage in spec.stages
    )
    return spec.model_copy(update={"stages": stages, "evaluation_file": str(evaluation_file)})


def _shorter(stage: RlStage) -> RlStage:
    steps = min(stage.steps, max(SHORT_MIN_STEPS, stage.steps // SHORT_SHARE))
    return stage.model_copy(update={"steps": steps})


def _short_rows(path: Path, work: Path) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    short = (work / f"short-{path.name}").absolute()
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    short.write_text("".join(lines[:SHORT_ROWS]), encoding="utf-8")
    return short


def _folder(task: Task) -> Path:
    for root in (Path(burnish.__file__).parent.parent, Path.cwd()):
        folder = root / "examples" / task.name
        if (folder / "job.yaml").is_file():
            return folder
    raise SetupError(
        f"The folder examples/{task.name} is not here: run the demo in a checkout of Burnish."
    )


def _digest(spec: JobSpec, folder: Path) -> str:
    digest = hashlib.sha256(f"{burnish.__version__}\n{spec.to_json()}".encode())
    files = [spec.training_file, spec.evaluation_file]
    files += [reward.file for reward in spec.rewards if reward.file is not None]
    for name in files:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()
