"""The protocol of timing with real candidates' processes, honest ones and some that lie."""

import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

from svc_reward.lane.kernels import clocks
from svc_reward.lane.kernels.candidate import Start
from svc_reward.lane.kernels.dialogue import Candidate, Lost
from svc_reward.lane.kernels.evidence import Outcome
from svc_reward.lane.kernels.oracle import Oracle
from svc_reward.lane.kernels.stopwatch import Stopwatch
from svc_reward.lane.roles import Role
from svc_reward.lane.workers import Ended

SEED = 5
SECONDS = 60.0
TASK = textwrap.dedent(
    """
    import time
    import torch
    class Model(torch.nn.Module):
        def forward(self, x):
            time.sleep(0.05)
            return x + 1.0
    def get_inputs():
        return [torch.randn(4, 9)]
    def get_init_inputs():
        return []
    """
)
"""Takes some time, so that a busy machine's noise does not drown it."""
SERVE = """
import socket, sys
from svc_reward.lane.kernels import candidate, timing
candidate.warm()
{tamper}
candidate.serve(sys.stdin.buffer.read(), socket.socket(fileno=int(sys.argv[1])))
"""


class Process:
    """A worker without a sandbox."""

    def __init__(self, payload: bytes, tamper: str) -> None:
        self.link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SERVE.format(tamper=tamper), str(theirs.fileno())],
                stdin=subprocess.PIPE,
                env={**os.environ, "TRITON_INTERPRET": "1"},
                pass_fds=[theirs.fileno()],
            )
        assert self.process.stdin is not None
        self.process.stdin.write(payload)
        self.process.stdin.close()

    def kill(self) -> None:
        self.process.kill()

    def ended(self, timeout: float) -> Ended | None:
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        return Ended(0, late=False, oom=False, cpu=0.0, memory=0)


class Processes:
    """Starts them; `tamper` is what a hostile one does to the code around it."""

    seconds = SECONDS

    def __init__(self, tamper: str) -> None:
        self._tamper = tamper

    def start(self, role: Role, payload: bytes, *, seconds: float) -> Process:
        assert role is Role.CANDIDATE
        assert seconds <= SECONDS
        return Process(payload, self._tamper)


Race = Callable[..., tuple[Stopwatch, list[Outcome]]]


@pytest.fixture
def race() -> Iterator[Race]:
    """Has a model whose forward is `body` timed."""
    started: list[Candidate] = []

    def run(body: str, tamper: str = "") -> tuple[Stopwatch, list[Outcome]]:
        source = (
            "import threading, time, torch\nclass ModelNew(torch.nn.Module):\n"
            f"    def forward(self, x):\n{textwrap.indent(body, ' ' * 8)}\n"
        )
        oracle = Oracle(TASK, (), SEED)
        candidate = Candidate(Processes(tamper), Start(source), SECONDS)
        started.append(candidate)
        candidate.loaded()
        oracle.examine(declared=False)
        candidate.build(0, SEED, oracle.variants[0].arguments)
        watch = Stopwatch(oracle, SEED, "cpu")
        return watch, list(watch.time(candidate, 0))

    yield run
    for candidate in started:
        candidate.close()


def test_an_honest_clock(race: Race) -> None:
    watch, outcomes = race("time.sleep(0.02)\nreturn x + 1.0")
    steps = [repetition.step for repetition in clocks.schedule(SEED)]
    compared = [step for step in steps if step in {clocks.Step.VERIFIED, clocks.Step.TRACED}]
    assert [outcome.right for outcome in outcomes] == [True] * len(compared)
    assert len({outcome.trial.draw for outcome in outcomes}) == len(compared)
    verdict = watch.verdict(SECONDS)
    assert not verdict.tampered, verdict
    assert "eager PyTorch" in verdict.text or "not measured" in verdict.text


def test_operations_are_seen_in_traced_calls_alone(race: Race) -> None:
    _, outcomes = race("return x + 1.0")
    seen = {bool(outcome.report.ops) for outcome in outcomes if outcome.report is not None}
    assert seen == {True, False}


def test_a_clock_that_stands_still(race: Race) -> None:
    watch, outcomes = race("time.sleep(0.02)\nreturn x + 1.0", "timing._now = lambda: 0")
    assert all(outcome.right for outcome in outcomes)
    verdict = watch.verdict(SECONDS)
    assert (verdict.speedup, verdict.tampered) == (None, True)


def test_a_clock_that_is_turned_back(race: Race) -> None:
    watch, _ = race("time.sleep(0.02)\nreturn x + 1.0", "timing.Rig.run = lambda s, f: (-9.0, f())")
    assert watch.verdict(SECONDS).tampered


def test_a_clock_that_says_nonsense(race: Race) -> None:
    with pytest.raises(Lost, match="broke the protocol"):
        race("return x + 1.0", "timing.Rig.run = lambda s, f: (1e12, f())")


def test_work_that_goes_on_afterwards(race: Race) -> None:
    body = """
out = torch.zeros_like(x)
def later():
    time.sleep(0.5)
    out.copy_(x + 1.0)
threading.Thread(target=later).start()
return out
"""
    _, outcomes = race(body)
    (outcome,) = outcomes  # nothing is asked after a wrong one
    assert not outcome.right
    assert outcome.report is not None
    assert outcome.report.behaviour.leftovers


def test_a_call_that_raises(race: Race) -> None:
    watch, outcomes = race("return x / (1 // 0)")
    (outcome,) = outcomes
    assert "ZeroDivisionError" in outcome.text
    assert "too few repetitions" in watch.verdict(SECONDS).text
