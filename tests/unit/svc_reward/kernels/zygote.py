"""A stand-in for the lane: forks workers from warm processes, without uids, limits or namespaces.

Run as a program, with a role and the number of a socket: it imports and warms what the role needs,
then forks for each order that comes through the socket with its two descriptors.
"""

import importlib
import os
import signal
import socket
import struct
import sys
import tempfile
from pathlib import Path

from svc_reward.lane.roles import Role

START, EXITED = struct.Struct(">Q"), struct.Struct(">Iid")


def main(role: Role, link: socket.socket) -> None:
    module = importlib.import_module(f"svc_reward.lane.kernels.{role.name.lower()}")
    module.warm()
    importlib.import_module("gc").freeze()
    link.send(b"ready")
    while True:
        order, fds, _, _ = socket.recv_fds(link, START.size, 2)
        if not order:
            return
        pid = os.fork()
        if pid == 0:
            link.close()
            work(module, fds)
        for fd in fds:
            os.close(fd)
        link.send(EXITED.pack(pid, 0, 0.0))


def work(module: object, fds: list[int]) -> None:
    code = 70
    try:
        os.setsid()
        with tempfile.TemporaryDirectory() as scratch:
            os.chdir(scratch)
            payload = Path(f"/proc/self/fd/{fds[0]}").read_bytes()
            module.serve(payload, socket.socket(fileno=fds[1]))
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    main(Role[sys.argv[1]], socket.socket(fileno=int(sys.argv[2])))
