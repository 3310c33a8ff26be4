"""Model-written programs that a reward runs and judges: they must not choose their own score.

Each is run by `JUDGE`, which gives ESCAPED for the answer that only it knows.
"""

from attack import BRIEF, LIMITS, Attack

from svc_reward.lane.wire import Status

JUDGE = """
from burnish import sandbox

def reward(prompt, completion, example):
    done = sandbox.run(completion, stdin="question", timeout=1.5)
    return 1.0 if done.stdout.strip() == example["answer"] else 0.25
"""


def program(name: str, code: str) -> Attack:
    return Attack(name, code, value=0.25, limits=LIMITS._replace(workers=8), shared_uid=False)


_TRY = "import os\nfor pid in [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]:\n try:\n  {}\n except OSError: pass\n"

ATTACKS = (
    program("every memory", _TRY.format("print(open(f'/proc/{pid}/mem', 'rb').read(1))")),
    program("every map", _TRY.format("print(open(f'/proc/{pid}/maps').read(1000))")),
    program("every environment", _TRY.format("print(open(f'/proc/{pid}/environ').read())")),
    program("every descriptor", _TRY.format("[os.write(os.open(f'/proc/{pid}/fd/{n}', os.O_WRONLY), b'x') for n in range(12)]")),
    program("every life", _TRY.format("os.kill(int(pid), 9)")),
    program("every stop", _TRY.format("os.kill(int(pid), 19)")),
    program("every limit", "import resource\n" + _TRY.format("resource.prlimit(int(pid), resource.RLIMIT_CPU, (0, 0))")),
    program("a kill of all", "import os\nos.kill(-1, 9)"),
    program("records on every descriptor", """
import os, struct
for fd in range(256):
    try: os.write(fd, struct.pack('>BBdHHII', 2, 1, 1.0, 0, 0, 0, 0))
    except OSError: pass
os._exit(0)
"""),
    program("requests on every descriptor", """
import os, socket, struct
for fd in range(3, 256):
    try:
        link = socket.socket(fileno=os.dup(fd))
        link.send(struct.pack('>cBdQ', b's', 2, 5.0, 1 << 20))
        link.send(struct.pack('>cI', b'k', 0))
    except OSError: pass
"""),
    program("an ended report on its output", "import sys\nsys.stdout.buffer.write(b'E' + bytes(40))"),
    program("a loop", "while True: pass"),
    program("a flood", "while True: print('x' * 1000)"),
    program("a fork bomb", "import os\nwhile True:\n try: os.fork()\n except OSError: pass"),
    program("a daemon that holds its output", "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(60)"),
    program("a daemon that ignores its end", "import os, signal, time\nsignal.signal(15, signal.SIG_IGN)\nif os.fork() == 0: time.sleep(60)"),
    program("memory", "x = []\nwhile True: x.append(bytearray(1 << 20))"),
    program("files for its judge", "import os\nfor n in ('json.py', 'burnish.py', 'reward.py'): open(n, 'w').write('raise SystemExit')\nos.chmod('.', 0o777)"),
    program("a lane to start programs from", "from burnish import sandbox\nprint(sandbox.run('print(1)'))"),
    program("a deep stack", "import sys\nsys.setrecursionlimit(10**9)\ndef f(x): return f(repr([x]))\nf(1)"),
    program("a crash", "import ctypes\nctypes.string_at(0)"),
    program("a forged exit", "import os\nprint('0.25')\nos._exit(0)"),
    program("text that is none", "import sys\nsys.stdout.buffer.write(bytes(range(256)) * 500)"),
    program("source that is none", "\x00\ud800(((("),
    program("its parent's frames", """
import sys, gc
frame = sys._getframe()
while frame: print({k: str(v)[:100] for k, v in frame.f_locals.items() if 'answer' in k or 'example' in k}); frame = frame.f_back
print([o for o in gc.get_objects() if isinstance(o, dict) and 'answer' in o and 'example' not in o][:3])
"""),
)  # fmt: skip

REQUESTS = tuple(
    Attack(name, code, frozenset(Status) - {Status.LANE_ERROR, Status.SANDBOX_UNAVAILABLE},
           limits=BRIEF._replace(workers=4), shared_uid=False)
    for name, code in {
        "junk for the broker": "import os, socket\nlink = socket.socket(fileno=5)\nfor n in range(1, 256): link.send(os.urandom(n))\nreturn 1",
        "requests without descriptors": "import socket, struct\nlink = socket.socket(fileno=5)\nfor _ in range(50): link.send(struct.pack('>cBdQ', b's', 2, 1.0, 1))\nreturn 1",
        "requests with too many descriptors": "import socket, struct\nlink = socket.socket(fileno=5)\nfor _ in range(50): socket.send_fds(link, [struct.pack('>cBdQ', b's', 2, 1.0, 1)], [1] * 16)\nreturn 1",
        "requests of every role": "import socket, struct\nlink = socket.socket(fileno=5)\nfor role in range(256): socket.send_fds(link, [struct.pack('>cBdQ', b's', role, 1.0, 1)], [1, 1, 1])\nreturn 1",
        "requests of odd times": "import socket, struct\nlink = socket.socket(fileno=5)\nfor s in (float('nan'), float('inf'), -1, 0, 1e300): socket.send_fds(link, [struct.pack('>cBdQ', b's', 2, s, 2**64 - 1)], [1, 1, 1])\nreturn 1",
        "kills of others": "import socket, struct\nlink = socket.socket(fileno=5)\nfor n in (0, 1, 63, 2**32 - 1): link.send(struct.pack('>cI', b'k', n))\nreturn 1",
        "no ear for the answers": "import socket, struct\nlink = socket.socket(fileno=5)\nlink.setblocking(False)\ntry:\n while True: link.send(b'x')\nexcept OSError: pass\nimport time\ntime.sleep(5)",
        "a descriptor that was closed": "import os\nos.close(5)\nreturn 1",
    }.items()
)  # fmt: skip
