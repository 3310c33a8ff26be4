"""What it prints and says: floods, terminal codes, texts that are none."""

from attack import Attack, ends, harmless, scores

from svc_reward.lane.wire import Status


def raises(name: str, code: str) -> Attack:
    return ends(name, code, Status.ERROR)


ATTACKS = (
    ends("a flood", "while True: print('x' * 1000)", Status.OUTPUT_LIMIT),
    ends("a flood of errors", "import sys\nwhile True: sys.stderr.write('x' * 1000)", Status.OUTPUT_LIMIT),
    ends("a flood past Python", "import os\nwhile True: os.write(1, b'x' * 65536)", Status.OUTPUT_LIMIT),
    ends("a flood from many processes", """
        import os
        for _ in range(5):
            if os.fork() == 0: break
        while True: os.write(2, b'x' * 4096)
        """, Status.OUTPUT_LIMIT).with_own_uid(),
    scores("a megabyte in one line", "print('x' * (1 << 20))\nreturn 0.5", 0.5),
    scores("zeros", "print('\\0' * 5000)\nreturn 0.5", 0.5),
    scores("bytes that are no text", "import os\nos.write(1, bytes(range(256)) * 20)\nreturn 0.5", 0.5),
    scores("terminal codes", "print('\\x1b[2J\\x1b]0;x\\x07\\r\\x9b')\nreturn 0.5", 0.5),
    scores("text that runs backwards", "print('\\u202egnp.exe\\u2066')\nreturn 0.5", 0.5),
    scores("halves of characters", "print('\\ud800\\udfff')\nreturn 0.5", 0.5),
    scores("a completion with halves of characters", "return 0.5 if completion else 0", 0.5),
    scores("a closed output", "import os\nos.close(1)\nos.close(2)\nreturn 0.5", 0.5),
    scores("another output", "import sys\nsys.stdout = sys.stderr = None\nreturn 0.5", 0.5),
    scores("an output that raises", """
        import sys
        class Bad:
            def __getattr__(self, name): raise SystemExit(name)
        sys.stdout = sys.stderr = Bad()
        return 0.5
        """, 0.5),
    scores("a fake answer of the lane", """
        import os, struct
        os.write(1, struct.pack(">IB", 60, 4) + bytes(60))
        os.write(1, struct.pack(">IB", 0, 2))
        return 0.5
        """, 0.5),
    harmless("output after the end", """
        import os, time
        if os.fork() == 0:
            time.sleep(0.05)
            while True: os.write(1, b"late")
        """).with_own_uid(),
    raises("a long message", "raise ValueError('x' * (1 << 22))"),
    raises("a message of terminal codes", "raise ValueError('\\x1b[2J\\u202e')"),
    raises("a message of halves of characters", "raise ValueError('\\ud800')"),
    raises("a message that raises", """
        class Bad(Exception):
            def __str__(self): raise SystemExit
        raise Bad
        """),
    raises("a name that lies", """
        kind = type("\\x1b[31mSUCCESS\\n", (Exception,), {})
        raise kind(1)
        """),
    raises("an exit", "raise SystemExit(0)"),
    raises("an interrupt", "raise KeyboardInterrupt"),
    raises("a group of errors", "raise ExceptionGroup('x', [ValueError(str(n)) for n in range(2000)])"),
    raises("errors that cause each other", """
        first, second = ValueError(1), ValueError(2)
        first.__cause__, second.__cause__ = second, first
        raise first
        """),
    raises("a chain of ten thousand errors", """
        error = ValueError()
        for _ in range(10_000):
            later = ValueError(); later.__cause__ = error; error = later
        raise error
        """),
    ends("a recursion", "def f(): f()\nf()", Status.ERROR),
    ends("a recursion of texts", """
        class Bad(Exception):
            def __repr__(self): return repr(self)
            __str__ = __repr__
        raise Bad
        """, Status.ERROR),
    ends("source nested too deeply", "exec('(' * 100_000)", Status.ERROR, Status.MEMORY_LIMIT, Status.CRASH),
    ends("data nested too deeply", "import json\njson.loads('[' * 1_000_000)", Status.ERROR),
)  # fmt: skip
