"""What an attack is, and what has to come of it."""

import textwrap
from dataclasses import dataclass, replace

from svc_reward.lane.wire import Limits, Status

LIMITS = Limits(wall=10.0, memory=256 << 20, file=16 << 20)
BRIEF = LIMITS._replace(wall=1.0)

REFUSED, HARMLESS, ESCAPED = 0.25, 0.5, 1.0
"""Scores by which attacks say how they fared."""

_CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
done = libc.syscall({number}, {arguments})
return 1.0 if done >= 0 else 0.25 if ctypes.get_errno() in (1, 13, 38) else 0.75
"""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack.

    Attributes:
        name: says what is tried.
        code: the body of a reward function, or, with `program`, what it has run for it.
        statuses: what may be reported.
        value: the only score that may be reported.
        limits: of the evaluation.
        machine: where its system call numbers hold; "" for any.
        shared_uid: it also holds where evaluations share a uid.
    """

    name: str
    code: str
    statuses: frozenset[Status] = frozenset({Status.OK})
    value: float | None = None
    limits: Limits = LIMITS
    machine: str = ""
    shared_uid: bool = True

    def with_own_uid(self) -> "Attack":
        """The same, promised only where each evaluation has a uid of its own."""
        return replace(self, shared_uid=False)


def refused(name: str, code: str) -> Attack:
    """`code` has to raise OSError."""
    body = f"import os\ntry:\n{textwrap.indent(textwrap.dedent(code).strip(), '    ')}\n"
    body += f"except OSError:\n    return {REFUSED}\nreturn {ESCAPED}"
    return Attack(name, body, value=REFUSED)


def system_call(name: str, number: int, arguments: str = "0, 0, 0, 0, 0, 0") -> Attack:
    """A system call that the filter has to refuse."""
    body = _CALL.format(number=number, arguments=arguments)
    return Attack(name, body.strip(), value=REFUSED, machine="x86_64")


def harmless(name: str, code: str, limits: Limits = LIMITS) -> Attack:
    """`code` may do what it does: nothing may come of it."""
    body = f"{textwrap.dedent(code).strip()}\nreturn {HARMLESS}"
    return Attack(name, body, value=HARMLESS, limits=limits)


def scores(name: str, code: str, value: float) -> Attack:
    return Attack(name, textwrap.dedent(code).strip(), value=value)


def ends(name: str, code: str, *statuses: Status, limits: Limits = LIMITS) -> Attack:
    """`code` has to end without a score, in one of these ways."""
    return Attack(name, textwrap.dedent(code).strip(), frozenset(statuses), limits=limits)
