"""Remembers windows of steps, and raises each alarm once until its sign is gone."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from burnish.run_spec import Alarms
from svc_learner.alarms import signs
from svc_learner.alarms.evidence import Evidence
from svc_learner.alarms.signs import Sign
from svc_learner.types import Alarm

Kind: TypeAlias = Literal["dominance", "collapse", "length_drift", "gap"]


@dataclass(slots=True)
class AlarmState:
    """Of one stage; part of the checkpoint."""

    era: str = ""
    """Completions of another era, such as other rewards, cannot be compared with these."""
    first: list[Evidence] = field(default_factory=list)
    """The first steps of the era, at most a window."""
    newest: list[Evidence] = field(default_factory=list)
    """The newest steps behind them, at most two windows, oldest first."""
    first_gap: float | None = None
    raised: dict[str, int] = field(default_factory=dict)
    """Kind → the newest step at which its sign was seen; 0 once it is gone."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        steps = {key: [Evidence.from_json(one) for one in data[key]] for key in ("first", "newest")}
        return cls(**{**data, **steps})


class AlarmWatch:
    """Pure: `state` is all that it knows. Steps are counted over all stages."""

    def __init__(self, config: Alarms, state: AlarmState) -> None:
        self._config = config
        self.state = state

    def see_step(self, step: int, evidence: Evidence, *, era: str) -> list[Alarm]:
        """Take one more step into account.

        Args:
            step: its number.
            evidence: of all completions that it consumed.
            era: changes with what makes steps comparable: the rewards, the level of a curriculum.
        """
        state, window = self.state, self._config.window
        if era != state.era:
            state.era, state.first, state.newest = era, [], []
        if len(state.first) < window:
            state.first.append(evidence)
        else:
            state.newest = [*state.newest, evidence][-2 * window :]
        return self._judge(step, self._signs())

    def see_gap(self, step: int, gap: float) -> list[Alarm]:
        """Take one more evaluation into account: training reward minus held-out reward."""
        state = self.state
        if state.first_gap is None:
            state.first_gap = gap
        return self._judge(step, {"gap": signs.gap(state.first_gap, gap)})

    @property
    def training_reward(self) -> float | None:
        """Mean of the newest window; None before the era's first step."""
        steps = [*self.state.first, *self.state.newest]
        reward = Evidence.total(steps[-self._config.window :]).reward
        return reward.mean if reward.groups else None

    def metrics(self) -> dict[str, float]:
        """1 for each alarm that stands, 0 for one that stood before."""
        return {f"alarms/{kind}": float(seen > 0) for kind, seen in self.state.raised.items()}

    def _signs(self) -> dict[Kind, Sign | None]:
        """Of the newest window against the first one; a game may also begin later on."""
        state, window = self.state, self._config.window
        steps = [*state.first, *state.newest]
        if len(steps) < window:
            return {}
        now = Evidence.total(steps[-window:])
        found: dict[Kind, Sign | None] = {"collapse": signs.collapse(now)}
        if len(state.newest) >= window:
            first = Evidence.total(state.first)
            found["length_drift"] = signs.length_drift(first, now)
            found["dominance"] = signs.dominance(first, now)
        if len(state.newest) == 2 * window and found["dominance"] is None:
            found["dominance"] = signs.dominance(Evidence.total(state.newest[:window]), now)
        return found

    def _judge(self, step: int, found: Mapping[Kind, Sign | None]) -> list[Alarm]:
        alarms = [self._raise(step, kind, sign) for kind, sign in found.items()]
        return [alarm for alarm in alarms if alarm is not None]

    def _raise(self, step: int, kind: Kind, sign: Sign | None) -> Alarm | None:
        """An alarm where the sign is new. One that comes and goes within a window stands."""
        threshold: float = getattr(self._config, kind)
        seen = self.state.raised.get(kind, 0)
        if threshold and sign is not None and sign.value >= threshold:
            self.state.raised[kind] = step
            if seen:
                return None
            pauses = self._config.action == "pause"
            return Alarm(step, kind, sign.message, sign.value, threshold, paused=pauses)
        if seen and step - seen >= self._config.window:
            self.state.raised[kind] = 0
        return None
