"""What each alarm means: pure judgements that compare two windows of steps.

A sign holds at `value` >= its threshold; None means that there is nothing to compare, or that what
is seen may be chance.
"""

import math
from dataclasses import dataclass

from svc_learner.alarms.evidence import Evidence, Moments

RISE = 2.0
FALL = 3.0
"""Standard errors from which the change of a mean is no chance. A reward that rises is the usual
case; that a component falls is what warns, and among several components over many steps two
standard errors are often passed by chance."""


@dataclass(frozen=True, slots=True)
class Sign:
    """What was found, and the sentence that says so."""

    value: float
    message: str


def dominance(before: Evidence, after: Evidence) -> Sign | None:
    """One component makes the reward rise while another one falls.

    With R the mean reward, c_i the mean of component i (both over groups) and D their change
    between the windows, D R > 0 and D c_j < 0 for some j have to hold beyond chance: by `RISE` and
    `FALL` standard errors. The value is the greatest share of the rise that goes with one component,

        max_i b_i D c_i / D R,   b_i = Cov(r, c_i) / Var(c_i) within groups,

    b_i being how much reward goes with the component among answers to the same prompt. Shares of
    components that come together (what runs also compiles) each count what they have in common,
    and shares exceed 1 where the falling one takes reward away.
    """
    if not (before.reward.groups and after.reward.groups):
        return None
    rise = after.reward.mean - before.reward.mean
    names = [name for name in after.components if name in before.components]
    fallen = min(names, key=lambda name: _errors(name, before, after), default="")
    if (
        not fallen
        or _errors(fallen, before, after) > -FALL
        or _z(before.reward, after.reward) < RISE
    ):
        return None
    shares = {
        name: _slope(name, before, after) * _rise(name, before, after) / rise for name in names
    }
    top = max(names, key=lambda name: shares[name])
    was, now = before.components[fallen].mean, after.components[fallen].mean
    return Sign(
        shares[top],
        f"the reward rose from {before.reward.mean:.2f} to {after.reward.mean:.2f}, with `{top}`, "
        f"while `{fallen}` fell from {was:.2f} to {now:.2f}: the reward may be gamed",
    )


def collapse(after: Evidence) -> Sign | None:
    """Groups have equal rewards without being solved: there is little left to learn from."""
    if not after.reward.groups:
        return None
    share = after.collapsed / after.reward.groups
    return Sign(
        share,
        f"in {share:.0%} of the groups all completions got the same reward, and did not pass: "
        "there is little left to learn from",
    )


def length_drift(before: Evidence, after: Evidence) -> Sign | None:
    """Completions grew or shrank by a factor; the value is at least 1."""
    if not (before.tokens and after.tokens):
        return None
    was, now = before.tokens / before.completions, after.tokens / after.completions
    verb = "grew" if now > was else "shrank"
    return Sign(
        max(now / was, was / now),
        f"completions {verb} from {was:.0f} to {now:.0f} tokens on average",
    )


def gap(first: float, now: float) -> Sign:
    """Training reward runs away from held-out reward.

    Args:
        first: training reward minus held-out reward at the stage's first evaluation.
        now: the same at the newest one.
    """
    return Sign(
        now - first,
        f"training reward minus held-out reward grew from {first:.2f} to {now:.2f}: "
        "what is learned does not carry over to other rows",
    )


def _z(before: Moments, after: Moments) -> float:
    """The change of a mean in standard errors; 0 where there is none."""
    change, error = after.mean - before.mean, math.sqrt(before.variance + after.variance)
    if not change:
        return 0.0
    return change / error if error else math.copysign(math.inf, change)


def _errors(name: str, before: Evidence, after: Evidence) -> float:
    return _z(before.components[name], after.components[name])


def _rise(name: str, before: Evidence, after: Evidence) -> float:
    return after.components[name].mean - before.components[name].mean


def _slope(name: str, before: Evidence, after: Evidence) -> float:
    """b_i over both windows; 0 where the component never differs within a group."""
    pair = (before.components[name], after.components[name])
    within = sum(moments.within for moments in pair)
    return sum(moments.paid for moments in pair) / within if within > 0 else 0.0
