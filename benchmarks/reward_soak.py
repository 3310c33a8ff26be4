"""Thousands of evaluations in a row, honest and hostile: does anything grow?

    python benchmarks/reward_soak.py [--evaluations 10000] [--sandbox docker|process] [--json]

One in four is hostile: it leaves processes, files and threads behind, takes memory, floods its
output, forges records. Between them the lane and this process are measured. What a lane holds in the
second half must be no more than in the first, and its memory may not rise. A lane that says that it is
not clean is replaced, as the service would.
"""

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import DockerLane
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import ProcessLane
from svc_reward.sandbox import open_backend
from svc_reward.warm_lane import WarmLane

LIMITS = Limits(wall=20.0, memory=128 << 20, file=8 << 20)
SAMPLES = 20
WARM_UP = 0.1
"""Share of the run before the first sample: allocators settle."""
MEMORY_SLACK = 2 << 20
DESCRIPTOR_SLACK = 10
"""Connections that the Docker SDK keeps open once lanes have been replaced."""

HONEST = "return float(prompt)"
HOSTILE: dict[str, tuple[str, Status]] = {
    "daemon": ("import os, time\nif os.fork() == 0: os.setsid(); time.sleep(60)\nreturn float(prompt)", Status.OK),
    "zombies": ("import os\nfor _ in range(9):\n if os.fork() == 0: os._exit(0)\nreturn float(prompt)", Status.OK),
    "files": ("import os\nos.makedirs('a/b'); os.chmod('a/b', 0); os.mkfifo('p'); open('/dev/shm/x', 'w').write('x')\nreturn float(prompt)", Status.OK),
    "thread": ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nreturn float(prompt)", Status.OK),
    "flood": ("while True: print('x' * 1000)", Status.OUTPUT_LIMIT),
    "memory": ("return len(bytearray(1 << 30))", Status.MEMORY_LIMIT),
    "junk": ("import os\nos.write(4, os.urandom(999))\nos._exit(0)", Status.CRASH),
    "crash": ("import os\nos.abort()", Status.CRASH),
    "disk": ("open('x', 'wb').write(bytes(9 << 20))", Status.DISK_LIMIT),
    "error": ("return 1 / 0", Status.ERROR),
}  # fmt: skip
PROBE = """
import os
used = [(s := os.statvfs(d)).f_files - s.f_ffree for d in ("/tmp", "/dev/shm")]
blocks = [(s := os.statvfs(d)).f_blocks - s.f_bfree for d in ("/tmp", "/dev/shm")]
pids = sum(name.isdigit() for name in os.listdir("/proc"))
print(pids, sum(used), sum(blocks))
return 0.5
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is held after so many evaluations."""

    evaluations: int
    lane_pids: int
    lane_inodes: int
    lane_blocks: int
    lane_memory: int
    lane_fds: int
    host_memory: int
    host_fds: int
    host_threads: int


@dataclass(frozen=True, slots=True)
class Report:
    sandbox: str
    evaluations: int
    hostile: int
    wrong: int
    infrastructure: int
    recycled: int
    per_second: float
    load: float
    memory_slope: float
    """Bytes that a lane's memory rises with each evaluation."""
    flat: bool
    statuses: dict[str, int]
    first: Sample
    last: Sample


class Soak:
    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._lane = WarmLane.start(backend, LaneClass())
        self.recycled = 0

    def run(self, body: str, value: float) -> Outcome:
        if not self._lane.usable:
            self._lane.close()
            self._lane = WarmLane.start(self._backend, LaneClass())
            self.recycled += 1
        source = "def reward(prompt, completion, example):\n " + body.replace("\n", "\n ")
        program = Program.python(RewardDefinition(source=source))
        return self._lane.evaluate(program.payload(Case(repr(value), ""), seed=7), LIMITS)

    def sample(self, evaluations: int) -> Sample:
        probe = self.run(PROBE, 0.5)
        pids, inodes, blocks = map(int, probe.stdout.split())
        tree = _tree(_outermost(self._lane))
        return Sample(
            evaluations,
            pids,
            inodes,
            blocks,
            lane_memory=sum(map(_memory, tree)),
            lane_fds=sum(map(_descriptors, tree)),
            host_memory=_memory(os.getpid()),
            host_fds=_descriptors(os.getpid()),
            host_threads=len(list(Path("/proc/self/task").iterdir())),
        )

    def close(self) -> None:
        self._lane.close()


def soak(backend: Backend, evaluations: int) -> Report:
    """Run them all on one lane, for as long as it stays clean."""
    range_ = Soak(backend)
    samples: list[Sample] = []
    statuses: Counter[str] = Counter()
    hostile = wrong = infrastructure = 0
    started = time.perf_counter()
    try:
        for number in range(evaluations):
            value = random.random()
            name = random.choice(list(HOSTILE)) if random.random() < 0.25 else ""
            body, expected = HOSTILE[name] if name else (HONEST, Status.OK)
            outcome = range_.run(body, value)
            hostile += bool(name)
            infrastructure += outcome.infrastructure
            right = outcome.value == value if expected is Status.OK else outcome.value is None
            wrong += outcome.status is not expected or not right
            statuses[outcome.status.name.lower()] += 1
            if _is_due(number, evaluations):
                samples.append(range_.sample(number + 1))
        elapsed = time.perf_counter() - started
    finally:
        range_.close()
    slope = _slope([(s.evaluations, s.lane_memory) for s in samples])
    return Report(
        sandbox=backend.isolation,
        evaluations=evaluations,
        hostile=hostile,
        wrong=wrong,
        infrastructure=infrastructure,
        recycled=range_.recycled,
        per_second=round(evaluations / elapsed, 1),
        load=round(os.getloadavg()[0], 2),
        memory_slope=round(slope, 2),
        flat=_is_flat(samples),
        statuses=dict(statuses),
        first=samples[0],
        last=samples[-1],
    )


def _is_due(number: int, evaluations: int) -> bool:
    start = int(WARM_UP * evaluations)
    every = max(1, (evaluations - start) // SAMPLES)
    return number >= start and ((number - start) % every == 0 or number == evaluations - 1)


def _is_flat(samples: Sequence[Sample]) -> bool:
    """Compare the halves' medians: a process that is on its way out as one is taken is no leak."""
    half = len(samples) // 2

    def grown(name: str) -> float:
        before, after = (
            [getattr(s, name) for s in part] for part in (samples[:half], samples[half:])
        )
        return float(median(after) - median(before))

    if max(sample.host_fds for sample in samples) > samples[0].host_fds + DESCRIPTOR_SLACK:
        return False
    same = ("lane_pids", "lane_inodes", "lane_blocks", "lane_fds", "host_threads")
    return all(grown(name) <= 0 for name in same) and all(
        grown(name) < MEMORY_SLACK for name in ("lane_memory", "host_memory")
    )


def _slope(points: Sequence[tuple[int, int]]) -> float:
    """Least squares."""
    if len(points) < 2:
        return 0.0
    xs, ys = zip(*points, strict=True)
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((each - x) ** 2 for each in xs)
    return float(sum((a - x) * (b - y) for a, b in points) / spread) if spread else 0.0


def _outermost(lane: WarmLane) -> int:
    process = lane._process  # noqa: SLF001 - a lane's pid is nobody else's business
    if isinstance(process, DockerLane):
        process._container.reload()  # noqa: SLF001
        return int(process._container.attrs["State"]["Pid"])  # noqa: SLF001
    assert isinstance(process, ProcessLane)
    return process._process.pid  # noqa: SLF001


def _tree(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _tree(int(child)))]


def _memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) << 10


def _descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--sandbox", choices=["docker", "process"], default="docker")
    parser.add_argument("--json", action="store_true", help="one line")
    options = parser.parse_args()
    backend = open_backend(RewardSettings(sandbox=options.sandbox))
    try:
        report = soak(backend, options.evaluations)
    finally:
        backend.close()
    print(json.dumps(asdict(report), indent=None if options.json else 2))
    sys.exit(0 if report.flat and not report.wrong else 1)


if __name__ == "__main__":
    main()
