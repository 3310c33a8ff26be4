"""Which rows a stage draws: levels that open in order, rows by their pass rate, or both.

`deck` draws within a level, `pools` weighs rows, `promotion` opens levels, `state` is what a
checkpoint holds of it, and `sampler` puts them together.
"""

from svc_learner.curriculum.sampler import CurriculumSampler
from svc_learner.curriculum.state import CurriculumState

__all__ = ["CurriculumSampler", "CurriculumState"]
