"""The supervisor with real processes: restarts, the end of everything, and who may start."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from burnish.errors import SetupError
from burnish.supervisor import Platform, RunDir, State, checks
from burnish.supervisor.child import Child, Program, last_words

SLEEPER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    "time.sleep(600)"
)
PARENT = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    "print(child.pid, flush=True); time.sleep(600)"
)


def wait_for(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    children: list[Child] = []

    def begin(code: str, grace: float = 5) -> Child:
        log = tmp_path / "logs" / f"child{len(children)}.log"
        program = Program("child", (sys.executable, "-c", code), os.environ, log, grace)
        child = Child(program, lambda: None)
        child.start()
        children.append(child)
        wait_for(lambda: child.pid)
        return child

    yield begin
    for child in children:
        child.stop(time.monotonic())


def test_a_killed_process_is_started_again(start: Callable[..., Child]) -> None:
    child = start(SLEEPER)
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: child.pid not in {None, first})


def test_stop_leaves_nothing(start: Callable[..., Child]) -> None:
    child = start(SLEEPER)
    pid = child.pid
    assert pid is not None
    child.stop()
    assert child.pid is None
    assert not is_alive(pid)


def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(
    start: Callable[..., Child],
) -> None:
    child = start(STUBBORN, grace=0.3)
    wait_for(child.program.log.read_text)
    pid = child.pid
    assert pid is not None
    child.stop()
    assert not is_alive(pid)


def test_what_a_dead_process_left_behind_goes_too(start: Callable[..., Child]) -> None:
    child = start(PARENT)
    wait_for(lambda: child.program.log.read_text().strip())
    grandchild = int(child.program.log.read_text().split()[0])
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(grandchild))


def test_quick_failures_are_counted_and_the_last_words_kept(start: Callable[..., Child]) -> None:
    child = start("import sys; sys.exit('burnish child: the sea is empty')")
    wait_for(lambda: child.quick_failures >= 2)
    wait_for(lambda: last_words(child.program.log, "child") == "the sea is empty")


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = f"""
import os, sys, time
from pathlib import Path
from burnish.supervisor.child import Child, Program
command = (sys.executable, "-c", {SLEEPER!r})
child = Child(Program("child", command, os.environ, Path({str(tmp_path)!r}) / "log"), lambda: None)
child.start()
while child.pid is None: time.sleep(0.01)
time.sleep(0.5)
print(child.pid, flush=True)
time.sleep(600)
"""
    supervisor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    with supervisor:
        pid = int(supervisor.stdout.readline())
        assert is_alive(pid)
        supervisor.kill()
    wait_for(lambda: not is_alive(pid))


def test_one_platform_in_a_folder(tmp_path: Path) -> None:
    first = RunDir(tmp_path).acquire()
    first.write(State(os.getpid(), "http://here", "grpc", "nats", "process", ready=True))
    with pytest.raises(SetupError, match=r"already running in .* console at http://here"):
        RunDir(tmp_path).acquire()
    first.release()
    RunDir(tmp_path).acquire().release()


def test_a_state_file_without_its_process_is_only_a_memory(tmp_path: Path) -> None:
    state = State(1, "http://gone", "grpc", "nats", "process", ready=True)
    crashed = RunDir(tmp_path)
    crashed.acquire().write(state)
    leftover = (tmp_path / "up.json").read_text()
    crashed.release()
    (tmp_path / "up.json").write_text(leftover)
    assert RunDir(tmp_path).running() is None
    assert RunDir(tmp_path).stop() is False
    RunDir(tmp_path).acquire().release()


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="choose another folder with --dir"):
        Platform(tmp_path / "file").start()


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SetupError, match=f"Port {port} is used by another program"):
            Platform(tmp_path, http_port=port).start()
    assert RunDir(tmp_path).running() is None


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "free_bytes", lambda _: 100)
    with pytest.raises(SetupError, match="free some space"):
        Platform(tmp_path).start()


def test_a_missing_package_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == "jinja2" else object())
    with pytest.raises(SetupError, match=r"Not installed: jinja2\. Run"):
        Platform(tmp_path).start()


def test_a_service_that_cannot_run_says_why(tmp_path: Path) -> None:
    platform = Platform(tmp_path, env={"BURNISH_LOG_LEVEL": "shout", "BURNISH_SANDBOX": "process"})
    with pytest.raises(SetupError, match=r"cannot run: BURNISH_LOG_LEVEL='shout'"):
        platform.start()
    assert platform.pids == {}
    assert RunDir(tmp_path).running() is None


def test_the_state_tells_others_where_it_runs(burnish_up: Platform) -> None:
    state = json.loads((burnish_up.directory.path / "up.json").read_text())
    assert state["ready"] is True
    assert state["grpc_address"] == burnish_up.grpc_address
    assert set(state["pids"]) == {"nats", "gateway", "rollout", "reward", "learner", "serve"}


def test_services_run_with_one_thread_and_their_addresses(burnish_up: Platform) -> None:
    environ = Path(f"/proc/{burnish_up.pids['serve']}/environ").read_bytes().split(b"\0")
    assert b"OMP_NUM_THREADS=1" in environ
    assert f"BURNISH_NATS_URL={burnish_up.nats_url}".encode() in environ
    assert b"MALLOC_ARENA_MAX=1" in environ


def burnish(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "burnish", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


def test_ctrl_c_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "burnish", "up", "--dir", str(tmp_path))
    ports = ("--http-port", "0", "--grpc-port", "0")
    env = {**os.environ, "BURNISH_SANDBOX": "process"}
    with subprocess.Popen((*command, *ports), env=env, stdout=subprocess.PIPE) as up:
        wait_for(lambda: len(pids_of(tmp_path)) == 6, seconds=60)
        pids = pids_of(tmp_path)
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 130
    assert not [name for name, pid in pids.items() if is_alive(pid)]
    assert RunDir(tmp_path).running() is None


def pids_of(folder: Path) -> dict[str, int]:
    state = RunDir(folder).running()
    return {} if state is None else dict(state.pids)


def test_a_detached_start_that_fails_says_why(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        failed = burnish("up", "--detach", "--dir", str(tmp_path), "--http-port", port)
    assert failed.returncode == 1
    assert f"Port {port} is used by another program" in failed.stderr
    assert "Traceback" not in failed.stderr


@pytest.mark.model
def test_up_in_the_background_then_down(tmp_path: Path) -> None:
    folder = ("--dir", str(tmp_path))
    up = ("up", "--detach", *folder, "--http-port", "0", "--grpc-port", "0")
    started = burnish(*up, "--json")
    assert started.returncode == 0, started.stderr
    pids = json.loads(started.stdout)["pids"]
    try:
        assert all(map(is_alive, pids.values()))
        again = burnish(*up)
        assert again.returncode == 1
        assert "already running" in again.stderr
        status = json.loads(burnish("status", *folder, "--json").stdout)
        assert {service["service"] for service in status["services"]} == set(pids) - {"nats"}
    finally:
        stopped = burnish("down", *folder)
    assert stopped.stdout == "Stopped.\n"
    assert not any(map(is_alive, pids.values()))
    assert burnish("status", *folder).returncode == 1


def test_without_an_engine_rewards_run_as_processes_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.delenv("BURNISH_SANDBOX", raising=False)
    monkeypatch.setattr(checks, "docker_problem", lambda: "no Docker Engine answers")
    with Platform(tmp_path, services=("rollout",), report=said.append) as platform:
        assert platform.state.sandbox == "process"
        environ = Path(f"/proc/{platform.pids['rollout']}/environ").read_bytes()
    assert b"BURNISH_SANDBOX=process" in environ
    assert "without container isolation" in " ".join(said)
