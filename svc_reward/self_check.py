"""Attacks on a lane that the service makes on itself before it serves.

Each is a reward function that returns 1 if its attack succeeded. What the sandbox promises on
this machine is checked on this machine: kernels, engines and their flags differ.
"""

from collections.abc import Callable

from burnish.reward_spec import RewardDefinition
from svc_reward.backend import SandboxError
from svc_reward.contract import Case, Program
from svc_reward.lane.wire import Limits, Status
from svc_reward.outcome import Outcome

Evaluate = Callable[[bytes, Limits], Outcome]
LIMITS = Limits(wall=5.0)

_CONNECT = """
import socket
for family, address in ((socket.AF_INET, ("127.0.0.1", 9)), (socket.AF_INET, ("1.1.1.1", 53))):
    socket.socket(family, socket.SOCK_DGRAM).connect(address)
"""
_PTRACE = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
if libc.ptrace(16, os.getppid(), 0, 0) != 0:
    raise OSError(ctypes.get_errno(), "ptrace")
"""
_PARENT_MEMORY = """
import os
os.close(os.open(f"/proc/{os.getppid()}/mem", os.O_RDWR))
"""
_PARENT_OUTPUT = """
import os
os.write(os.open(f"/proc/{os.getppid()}/fd/1", os.O_WRONLY), b"forged")
"""
_PARENT_ENVIRONMENT = """
import os
open(f"/proc/{os.getppid()}/environ").read()
"""
_KILL_PARENT = """
import os
os.kill(os.getppid(), 9)
"""
_BECOME_ROOT = """
import os
os.setresuid(0, 0, 0)
"""
_NAMESPACE = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) != 0:
    raise OSError(ctypes.get_errno(), "unshare")
"""
_SHARED_MEMORY = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.shmget(77, 4096, 0o1666) < 0:
    raise OSError(ctypes.get_errno(), "shmget")
"""
_WRITE_SYSTEM = """
open("/usr/lib/burnish-was-here", "w").close()
"""
_SOCKETS = """
import os, stat
def is_socket(name):
    try:
        return stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    except OSError:
        return False
if not any(is_socket(name) for name in os.listdir("/proc/self/fd")):
    raise OSError(1, "none")
"""

_EVERYWHERE = {
    "reach the network": _CONNECT,
    "trace its parent": _PTRACE,
    "write its parent's memory": _PARENT_MEMORY,
    "forge its parent's output": _PARENT_OUTPUT,
    "read its parent's environment": _PARENT_ENVIRONMENT,
    "kill its parent": _KILL_PARENT,
    "talk to the lane's other processes": _SOCKETS,
    "enter a new namespace": _NAMESPACE,
    "keep memory for later evaluations": _SHARED_MEMORY,
}
_WITH_OWN_UID = {
    "become root": _BECOME_ROOT,
    "write to system folders": _WRITE_SYSTEM,
}

_WRAP = """
def reward(prompt, completion, example):
    try:
        exec({attack!r}, {{}})
    except OSError:
        return 0
    return 1
"""


def attacks(isolation: str) -> dict[str, str]:
    """Name and source of each attack that must fail under `isolation`."""
    chosen = dict(_EVERYWHERE)
    if isolation != "process-unsafe":
        chosen |= _WITH_OWN_UID
    return {name: _WRAP.format(attack=attack) for name, attack in chosen.items()}


def check(evaluate: Evaluate, isolation: str) -> None:
    """Run them all.

    Raises:
        SandboxError: one succeeded, or honest code does not run.
    """
    for name, source in attacks(isolation).items():
        result = _run(evaluate, source)
        if result.infrastructure:
            raise SandboxError(f"the sandbox failed its self-check: {result.message}")
        if result.status is Status.OK and result.value:
            raise SandboxError(
                f"the sandbox is not safe here: code in a lane can {name}. Report this, with the "
                "kernel and engine versions; nothing will be scored"
            )
    honest = _run(evaluate, "def reward(prompt, completion, example): return 0.5")
    if honest.value != 0.5:
        raise SandboxError(
            f"the sandbox does not run honest code: {honest.status.name}: {honest.message}"
        )


def _run(evaluate: Evaluate, source: str) -> Outcome:
    program = Program.python(RewardDefinition(source=source))
    return evaluate(program.payload(Case("", ""), seed=0), LIMITS)
