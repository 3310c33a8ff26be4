"""The host's end of one lane."""

import contextlib
import itertools
import time

from svc_reward import outcome
from svc_reward.backend import Backend, LaneLate, LaneLost, LaneProcess, SandboxError
from svc_reward.contract import LaneClass
from svc_reward.lane.standby import STANDBY_SECONDS
from svc_reward.lane.wire import (
    FRAME,
    Job,
    Kind,
    Limits,
    Result,
    WireError,
    frame,
    parse_frame_header,
)
from svc_reward.outcome import Outcome

START_SECONDS = 120.0
"""A lane that imports torch on a busy machine takes its time."""
GRACE_SECONDS = 5.0
"""How much later than the broker's the host's own deadline is."""

_numbers = itertools.count(1)


class WarmLane:
    """Judges one completion at a time; blocking, so callers use a thread."""

    def __init__(self, lane_class: LaneClass, process: LaneProcess) -> None:
        self.lane_class = lane_class
        self.usable = True
        self.evaluations = 0
        self._process = process
        # Time in which a lane waits for its standby is not the evaluation's.
        self._grace = GRACE_SECONDS + (STANDBY_SECONDS if lane_class.standby else 0.0)

    @classmethod
    def start(cls, backend: Backend, lane_class: LaneClass) -> "WarmLane":
        """Launch a lane and wait until it is warm.

        Raises:
            SandboxError: it does not come up; says what it said.
        """
        process = backend.launch(lane_class)
        lane = cls(lane_class, process)
        try:
            lane._greet()
        except SandboxError:
            process.kill()
            raise
        return lane

    def evaluate(self, payload: bytes, limits: Limits) -> Outcome:
        """Run one job. Never raises; a lane that failed is no longer `usable`."""
        sequence = next(_numbers)
        self.evaluations += 1
        deadline = time.monotonic() + limits.wall + self._grace
        try:
            job = Job(sequence, limits, payload).pack()
            self._process.send(frame(Kind.JOB, job), deadline)
            result = Result.unpack(self._receive(Kind.RESULT, deadline))
            self.usable = result.clean
            return outcome.from_result(result, sequence)
        except LaneLate:
            self.usable = False
            return outcome.late(limits.wall)
        except (LaneLost, WireError) as error:
            self.usable = False
            said = self._process.log().strip()
            return outcome.lane_error(f"{error}; {said}" if said else str(error))

    def close(self) -> None:
        self.usable = False
        with contextlib.suppress(Exception):
            self._process.kill()

    def _greet(self) -> None:
        try:
            self._receive(Kind.READY, time.monotonic() + START_SECONDS)
        except LaneLate:
            raise SandboxError(f"a lane was not warm after {START_SECONDS:g} s") from None
        except (LaneLost, WireError) as error:
            said = self._process.log().strip()
            raise SandboxError(f"a lane did not start: {said or error}") from error

    def _receive(self, expected: Kind, deadline: float) -> bytes:
        length, kind = parse_frame_header(self._process.receive(FRAME.size, deadline))
        body = self._process.receive(length, deadline)
        if kind is Kind.FATAL:
            raise LaneLost(body.decode(errors="backslashreplace"))
        if kind is not expected:
            raise WireError(f"{kind.name} instead of {expected.name}")
        return body
