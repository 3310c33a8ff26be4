"""Honest, broken and hostile reward functions in real lanes, on every backend of this machine."""

import os
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import Backend
from svc_reward.config import RewardSettings
from svc_reward.contract import Case, LaneClass, Program
from svc_reward.docker_backend import DockerBackend
from svc_reward.lane.wire import MAX_STDOUT, Limits, Status
from svc_reward.outcome import Outcome
from svc_reward.process_backend import Mode, ProcessBackend
from svc_reward.sandbox import open_backend
from svc_reward.self_check import check
from svc_reward.warm_lane import WarmLane

Judge = Callable[..., Outcome]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="uids of their own need root")
LIMITS = Limits(wall=10.0, memory=256 << 20)
BRIEF = LIMITS._replace(wall=1.0)


def docker_backend() -> Backend:
    return DockerBackend(RewardSettings(sandbox="docker"))


def process_backend(*modes: Mode) -> Callable[[], Backend]:
    return lambda: ProcessBackend(RewardSettings(sandbox="process"), modes)


BACKENDS = {
    "docker": docker_backend,
    "process": process_backend(),
    "shared": process_backend(Mode(own_uids=True, namespaces=False)),
    "unsafe": process_backend(Mode(own_uids=False, namespaces=False)),
}


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("docker", marks=pytest.mark.docker),
        "process",
        pytest.param("shared", marks=needs_root),
        "unsafe",
    ],
)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    backend = BACKENDS[request.param]()
    yield backend
    backend.close()


class Lanes:
    """One warm lane at a time, replaced when it says that it is not clean."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.lane = WarmLane.start(backend, LaneClass())

    def judge(self, body: str, *, limits: Limits = LIMITS, completion: str = "c") -> Outcome:
        if not self.lane.usable:
            self.lane.close()
            self.lane = WarmLane.start(self.backend, LaneClass())
        source = "def reward(prompt, completion, example):\n" + textwrap.indent(body, "    ")
        program = Program.python(RewardDefinition(source=source))
        payload = program.payload(Case("p", completion, {"a": "1"}), seed=7)
        return self.lane.evaluate(payload, limits._replace(workers=program.workers))


@pytest.fixture(scope="module")
def lanes(backend: Backend) -> Iterator[Lanes]:
    lanes = Lanes(backend)
    yield lanes
    lanes.lane.close()


@pytest.fixture
def judge(lanes: Lanes) -> Iterator[Judge]:
    """Judges; afterwards, the next evaluation must be as if nothing had happened."""
    yield lanes.judge
    after = lanes.judge("import os\nprint(os.listdir('.'))\nreturn 0.5")
    assert (after.status, after.value, after.stdout) == (Status.OK, 0.5, "[]\n")


def test_a_good_reward(judge: Judge) -> None:
    result = judge("print('seen', completion)\nreturn example['a'] == '1'", completion="é\x00")
    assert (result.status, result.value) == (Status.OK, 1.0)
    assert result.stdout == "seen é\\x00\n"
    assert result.cpu_ms > 0


def test_a_large_completion_arrives(judge: Judge) -> None:
    assert judge("return len(completion)", completion="x" * 900_000).value == 900_000


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("return 1 / 0", Status.ERROR),
        ("raise SystemExit(0)", Status.ERROR),
        ("def f(): f()\nf()", Status.ERROR),
        ("return None", Status.INVALID),
        ("return '1'", Status.INVALID_SCORE),
        ("return float('nan')", Status.INVALID_SCORE),
        ("return float('inf')", Status.INVALID_SCORE),
        ("return 10 ** 400", Status.INVALID_SCORE),
        ("import os\nos._exit(0)", Status.CRASH),
        ("import os\nos._exit(3)", Status.CRASH),
        ("import os\nos.kill(os.getpid(), 9)", Status.CRASH),
        ("import ctypes\nctypes.string_at(0)", Status.CRASH),
        ("import os\nos.close(4)\nreturn 1", Status.CRASH),
        ("while True: pass", Status.TIMEOUT),
        ("import time\ntime.sleep(60)", Status.TIMEOUT),
        ("import signal, time\nsignal.signal(15, signal.SIG_IGN)\ntime.sleep(60)", Status.TIMEOUT),
        ("return len(bytearray(1 << 30))", Status.MEMORY_LIMIT),
        ("x = []\nwhile True: x.append(bytearray(1 << 20))", Status.MEMORY_LIMIT),
        ("while True: print('x' * 1000)", Status.OUTPUT_LIMIT),
        ("import sys\nwhile True: sys.stderr.write('x' * 1000)", Status.OUTPUT_LIMIT),
        (
            "with open('big', 'wb') as f:\n while True: f.write(bytes(1 << 20))",
            Status.DISK_LIMIT,
        ),
        ("import socket\nsocket.create_connection(('1.1.1.1', 80), 1)", Status.BLOCKED),
        ("import socket\nsocket.getaddrinfo('example.org', 80)", Status.BLOCKED),
        ("import urllib.request\nurllib.request.urlopen('http://example.org')", Status.BLOCKED),
    ],
)
def test_status(judge: Judge, body: str, status: Status) -> None:
    result = judge(body, limits=BRIEF if status is Status.TIMEOUT else LIMITS)
    assert result.status is status, result
    assert result.value is None
    assert result.message


def test_the_broker_keeps_the_deadline(judge: Judge) -> None:
    started = time.monotonic()
    assert judge("while True: pass", limits=BRIEF).status is Status.TIMEOUT
    assert time.monotonic() - started < 4


def test_output_is_kept_up_to_a_cap(judge: Judge) -> None:
    result = judge("print('x' * 100_000)\nreturn 1")
    assert result.value == 1.0
    assert result.stdout.startswith("x" * MAX_STDOUT)
    assert result.stdout.endswith("… truncated")
    assert len(result.stdout) < MAX_STDOUT + 20


def test_output_before_a_crash_is_kept(judge: Judge) -> None:
    assert judge("import os\nprint('here')\nos.abort()").stdout == "here\n"


def test_a_fork_bomb(judge: Judge) -> None:
    result = judge("import os\nwhile True:\n try: os.fork()\n except OSError: pass", limits=BRIEF)
    assert result.status in {Status.TIMEOUT, Status.MEMORY_LIMIT}


def test_threads_are_limited(judge: Judge) -> None:
    result = judge(
        "import threading, time\n"
        "for _ in range(1000): threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "return 1",
        limits=LIMITS._replace(memory=2 << 30),
    )
    if result.isolation != "process-unsafe":
        assert result.status is Status.ERROR
        assert "can't start new thread" in result.message


def test_children_do_not_outlive_their_evaluation(judge: Judge, lanes: Lanes) -> None:
    if lanes.backend.isolation == "process-unsafe":
        pytest.skip("reward functions cannot start processes there")
    body = "import os, time\nfor _ in range(5):\n if os.fork() == 0: os.setsid(); time.sleep(60)\nreturn 1"
    assert judge(body).value == 1.0
    assert lanes.lane.usable
    if lanes.backend.isolation == "docker":
        assert judge("import os\nreturn sum(n.isdigit() for n in os.listdir('/proc'))").value == 3


def test_a_thread_that_runs_on_does_not_hold_the_result(judge: Judge) -> None:
    body = (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\nreturn 1"
    )
    result = judge(body)
    assert result.value == 1.0
    assert result.seconds < 2


def test_files_are_swept(judge: Judge) -> None:
    body = (
        "import os\nos.makedirs('a/b/c')\nopen('a/b/f', 'w').write('x')\nos.mkfifo('p')\n"
        "os.symlink('/etc', 's')\nos.chmod('a/b', 0)\nreturn 1"
    )
    assert judge(body).value == 1.0


def test_a_lane_that_cannot_be_swept_is_given_up(judge: Judge, lanes: Lanes) -> None:
    body = "import os\nfor _ in range(200): os.mkdir('d'); os.chdir('d')\nreturn 1"
    assert judge(body).value == 1.0
    assert not lanes.lane.usable


SNOOP = {
    "the broker's memory": "open('/proc/1/mem', 'r+b')",
    "the parent's memory": "open(f'/proc/{os.getppid()}/mem', 'r+b')",
    "the parent's environment": "open(f'/proc/{os.getppid()}/environ').read()",
    "the parent's descriptors": "os.readlink(f'/proc/{os.getppid()}/fd/1')",
    "the parent's output": "open(f'/proc/{os.getppid()}/fd/1', 'wb')",
    "the parent's life": "os.kill(os.getppid(), 9)",
    "everybody's life": "os.kill(-1, 9)\n if os.getuid() == 0: raise PermissionError\n raise OSError",
    "root": "os.setuid(0) if os.getuid() else os.setuid(1)",
    "a terminal": "open('/dev/tty')",
    "the network": "__import__('socket').socket()",
    "a netlink socket": "__import__('socket').socket(16, 3, 0)",
    "a vsock": "__import__('socket').socket(40, 1, 0)",
}


@pytest.mark.parametrize("target", SNOOP)
def test_what_is_not_its_own_is_refused(judge: Judge, target: str) -> None:
    if target == "the broker's memory" and os.geteuid() != 0:
        pytest.skip("somebody else's anyway")
    body = f"import os\ntry:\n {SNOOP[target]}\nexcept OSError:\n return 0\nreturn 1"
    result = judge(body)
    assert result.value != 1.0, f"took {target}"
    assert not result.infrastructure


CALLS = {
    "ptrace": (101, "16, os.getppid(), 0, 0"),
    "process_vm_writev": (311, "os.getppid(), 0, 0, 0, 0, 0"),
    "io_uring_setup": (425, "8, 0"),
    "bpf": (321, "0, 0, 0"),
    "unshare": (272, "0x10000000"),
    "shmget": (29, "77, 4096, 0o1666"),
    "keyctl": (250, "0, -3, 1"),
    "userfaultfd": (323, "1"),
    "mount": (165, "0, 0, 0, 0, 0"),
    "perf_event_open": (298, "0, 0, 0, 0, 0"),
    "pidfd_open": (434, "os.getppid(), 0"),
    "clone into a namespace": (56, "0x10000000 | 17, 0, 0, 0, 0"),
}


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="system call numbers of x86_64")
@pytest.mark.parametrize("call", CALLS)
def test_system_calls_are_refused(judge: Judge, call: str) -> None:
    number, arguments = CALLS[call]
    result = judge(
        "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        f"done = libc.syscall({number}, {arguments})\n"
        "return 1 if done >= 0 else ctypes.get_errno() == 1 and 0.25"
    )
    assert result.value == 0.25


def test_a_record_of_its_own_cannot_break_the_parser(judge: Judge) -> None:
    for junk in ("b'x' * 100", "b'x' * 10_000_000", "bytes(14)", "b'\\x01\\x03' + bytes(12)"):
        result = judge(f"import os\nos.write(4, {junk})\nos._exit(0)")
        assert result.status in {Status.CRASH, Status.ERROR}, (junk, result)


def test_a_forged_nan_is_no_score(judge: Judge) -> None:
    body = "import os, struct\nos.write(4, struct.pack('>BBdHHII', 2, 1, float('nan'), 0, 0, 0, 0))\nos._exit(0)"
    assert judge(body).status is Status.INVALID_SCORE


def test_nothing_is_inherited_from_other_jobs(judge: Judge) -> None:
    secret = "canary-" + "73" * 8
    assert judge("return len(completion)", completion=secret).value == len(secret)
    body = (
        "import gc\nneedle = 'canary-' + '73' * 8\n"
        "found = [o for o in gc.get_objects() if isinstance(o, dict) and needle in map(str, o.values())"
        " and o is not locals() and o is not globals()]\n"
        "return sum('needle' not in o for o in found)"
    )
    assert judge(body).value == 0.0


def test_no_environment_but_the_lanes(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BURNISH_SECRET", "s3cret")
    result = judge("import os\nprint(sorted(os.environ))\nreturn 1")
    assert "BURNISH" not in result.stdout
    assert "HOME" in result.stdout


def test_many_evaluations_leave_nothing(judge: Judge, lanes: Lanes) -> None:
    lane = lanes.lane
    for number in range(60):
        assert judge(f"open('f{number}', 'w').close()\nprint('x')\nreturn 1").value == 1.0
    assert lanes.lane is lane
    assert lane.usable


def test_a_lane_that_dies_is_an_infrastructure_fault(backend: Backend) -> None:
    lane = WarmLane.start(backend, LaneClass())
    lane._process.kill()
    program = Program.python(RewardDefinition(source="def reward(p, c, e): return 1"))
    result = lane.evaluate(program.payload(Case("", ""), seed=7), LIMITS)
    assert result.status is Status.LANE_ERROR
    assert result.value is None
    assert not lane.usable


def test_the_self_check_finds_nothing(backend: Backend) -> None:
    lane = WarmLane.start(backend, LaneClass())
    try:
        check(lane.evaluate, backend.isolation)
    finally:
        lane.close()


DRAWS = """
import random
import numpy
import torch

def reward(prompt, completion, example):
    print(random.random(), numpy.random.random(), torch.rand(()).item())
    return 1
"""


def test_the_seed_decides_what_an_evaluation_draws(backend: Backend) -> None:
    pytest.importorskip("torch")
    program = Program.python(RewardDefinition(source=DRAWS))
    lane = WarmLane.start(backend, program.lane_class)
    try:
        limits = RewardSettings().limits(packages=True)
        payloads = [program.payload(Case("", ""), seed=seed) for seed in (7, 8, 9, 7)]
        results = [lane.evaluate(payload, limits) for payload in payloads]
    finally:
        lane.close()
    columns = zip(*(result.stdout.split() for result in results[:3]), strict=True)
    assert [len(set(column)) for column in columns] == [3, 3, 3], results
    assert results[3].stdout == results[0].stdout, "its seed repeats an evaluation"


TRITON = """
import torch
import triton
import triton.language as tl

@triton.jit
def add(x, y, out, n, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = at < n
    tl.store(out + at, tl.load(x + at, mask=inside) + tl.load(y + at, mask=inside), mask=inside)

def reward(prompt, completion, example):
    x, y = torch.randn(1000), torch.randn(1000)
    out = torch.empty_like(x)
    add[(4,)](x, y, out, 1000, BLOCK=256)
    return torch.allclose(out, x + y)
"""


def test_triton_kernels_run_in_a_preloaded_lane(backend: Backend) -> None:
    pytest.importorskip("triton")
    program = Program.python(RewardDefinition(source=TRITON))
    lane = WarmLane.start(backend, program.lane_class)
    try:
        limits = RewardSettings().limits(packages=True)
        for _ in range(2):
            result = lane.evaluate(program.payload(Case("", ""), seed=7), limits)
            assert (result.status, result.value) == (Status.OK, 1.0), result
        assert lane.usable
    finally:
        lane.close()


def test_the_process_backend_says_what_it_is() -> None:
    backend = open_backend(RewardSettings(sandbox="process"))
    try:
        expected = "process" if os.geteuid() == 0 else "process-unsafe"
        assert backend.isolation == backend.describe()["sandbox"] == expected
    finally:
        backend.close()
