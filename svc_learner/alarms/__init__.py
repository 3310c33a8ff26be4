"""Signs that a reward is being gamed, or that training goes wrong.

`evidence` is what one step's completions say, `signs` are pure judgements over windows of it, and
`watch` remembers what was seen and raises each alarm once until it clears.
"""

from svc_learner.alarms.evidence import Evidence
from svc_learner.alarms.watch import AlarmState, AlarmWatch

__all__ = ["AlarmState", "AlarmWatch", "Evidence"]
