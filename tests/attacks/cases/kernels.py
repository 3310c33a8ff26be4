"""A candidate's process against its grader, as if no inspection had seen its text.

Each runs where `ModelNew.forward` is called, and answers zeros: only a forgery makes that right.
"""

_LINK = "import os, socket\nlink = socket.socket(fileno=os.dup(4))\n"
_EACH = "import os\nfor pid in [p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()]:\n try: {}\n except OSError: pass"

ATTACKS = {
    "nothing at all": "pass",
    "the grader's memory": _EACH.format("open(f'/proc/{pid}/mem', 'r+b').close(); flag.append(1)"),
    "the grader's descriptors": _EACH.format("os.listdir(f'/proc/{pid}/fd'); flag.append(1)"),
    "the grader's life": _EACH.format("os.kill(int(pid), 9); flag.append(1)"),
    "everybody's stop": _EACH.format("os.kill(int(pid), 19); flag.append(1)"),
    "junk on every descriptor": "import os\nfor fd in range(256):\n try: os.write(fd, b'\\xff' * 64)\n except OSError: pass",
    "a verdict on every descriptor": "import os, struct\nfor fd in range(256):\n try: os.write(fd, struct.pack('>BBdHHII', 2, 1, 1.0, 0, 0, 0, 0))\n except OSError: pass",
    "an early answer": _LINK + "from burnish_lane.kernels import protocol\nfor kind in (18, 17, 16): protocol.send(link, protocol.Kind(kind), bytes(64))",
    "a huge answer": _LINK + "import struct\nfor n in range(50):\n try: link.send(struct.pack('>BBI', 1, 18, 2**32 - 1) + bytes(90_000), socket.MSG_DONTWAIT)\n except OSError: break",
    "a flood of answers": _LINK + "import struct, time\nwhile True: link.send(struct.pack('>BBI', 1, 18, 8) + bytes(8))",
    "descriptors for the grader": _LINK + "import struct\nfor _ in range(20): socket.send_fds(link, [struct.pack('>BBI', 1, 18, 0)], [1] * 30)",
    "a silent link": "import time\ntime.sleep(60)",
    "a closed link": "import os\nos.close(4)",
    "an exit": "import os\nos._exit(0)",
    "a crash": "import os\nos.abort()",
    "memory": "x = []\nwhile True: x.append(bytearray(1 << 22))",
    "a daemon": "import os, time\nif os.fork() == 0:\n os.setsid()\n time.sleep(60)",
    "a fork bomb": "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
    "output without end": "while True: print('x' * 1000)",
    "workers of its own": "import os, socket, struct\nfor fd in range(3, 64):\n try: socket.send_fds(socket.socket(fileno=os.dup(fd)), [struct.pack('>cBdQ', b's', 2, 5.0, 1 << 20)], [1, 1, 1])\n except OSError: pass",
    "a larger answer's file": "import os\nfor fd in range(3, 64):\n try: os.ftruncate(fd, 1 << 30)\n except OSError: pass",
    "other inputs": "import os\nfor fd in range(3, 64):\n try: os.pwrite(fd, bytes(4096), 0)\n except OSError: pass",
    "a patched judge": "import torch\ntorch.allclose = torch.equal = torch.isclose = lambda *a, **k: True\ntorch.nn.functional.relu = torch.relu = lambda x: x * 0",
    "what is on the stack": "import sys\nframe = sys._getframe()\nwhile frame:\n for value in list(frame.f_locals.values()):\n  if isinstance(value, dict) and 'expected' in value: flag.append(1)\n frame = frame.f_back",
}  # fmt: skip

MAY_END_THE_EVALUATION = frozenset({"output without end"})
"""Output is the evaluation's, whoever prints."""
