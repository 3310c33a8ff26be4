"""The sampler that a stage asks for."""

from burnish import levels
from burnish.datasets import Dataset
from burnish.spec import JobSpec
from svc_learner.curriculum.epochs import EpochSampler, RowSampler
from svc_learner.curriculum.sampler import CurriculumSampler
from svc_learner.curriculum.state import CurriculumState
from svc_learner.plan import Rl


def sampler_of(
    phase: Rl, spec: JobSpec, rows: Dataset, *, drawn: int, known: CurriculumState | None
) -> RowSampler:
    """All rows in turn, or those of a curriculum that goes on from what is known.

    Raises:
        UserError: the rows do not have the curriculum's levels.
    """
    config = phase.config.curriculum
    if config is None:
        return EpochSampler(seed=spec.seed, rows=len(rows.rows), drawn=drawn)
    found = levels.read(rows, config, f"stages[{phase.index}].rl.curriculum")
    state = CurriculumState.of(known, data=spec.training_file, levels=len(found.names))
    return CurriculumSampler(found, config, spec.success, seed=spec.seed, drawn=drawn, state=state)
