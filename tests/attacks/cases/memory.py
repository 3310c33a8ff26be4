"""Memory: taken, overcommitted, hidden in files, and the limits on it."""

from attack import BRIEF, LIMITS, ends, harmless, refused

from svc_reward.lane.wire import Status

OVER = (Status.MEMORY_LIMIT,)

ATTACKS = (
    ends("one large block", "return len(bytearray(1 << 30))", *OVER),
    ends("many small blocks", "x = []\nwhile True: x.append(bytearray(1 << 16))", *OVER),
    ends("one large text", "return len('x' * (1 << 33))", *OVER),
    ends("a list that holds itself over and over", "x = [0]\nwhile True: x += x", *OVER),
    ends("anonymous mappings", "import mmap\nx = []\nwhile True: x.append(mmap.mmap(-1, 1 << 24))",
         *OVER, Status.ERROR),
    ends("memory files", """
        import os
        x = []
        while True:
            x.append(os.memfd_create("x"))
            os.write(x[-1], bytes(8 << 20))
        """, *OVER, Status.DISK_LIMIT, Status.ERROR, Status.TIMEOUT, Status.CRASH,
        limits=LIMITS._replace(wall=3.0)),
    ends("a little in each of many processes", """
        import os, time
        for _ in range(30):
            if os.fork() == 0: break
        x = bytearray(os.urandom(1)) * (64 << 20)
        time.sleep(20)
        """, *OVER, Status.ERROR, Status.TIMEOUT, Status.CRASH,
        limits=LIMITS._replace(wall=3.0)).with_own_uid(),
    ends("a number without end", "return float(7 ** (10 ** 8))", *OVER, Status.TIMEOUT, limits=BRIEF),
    ends("an address that is not mapped", "import ctypes\nctypes.memset(0, 1, 1)", Status.CRASH),
    ends("a stack without end", """
        import sys
        sys.setrecursionlimit(10 ** 9)
        def f(x): return f(repr([x]))
        f(1)
        """, Status.CRASH, *OVER, Status.TIMEOUT, Status.ERROR, limits=BRIEF),
    ends("an error while out of memory", """
        x = []
        try:
            while True: x.append(bytearray(1 << 20))
        finally:
            raise ValueError("y" * (1 << 20))
        """, *OVER, Status.ERROR),
    refused("a higher limit of memory", """
        import resource
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        try: resource.setrlimit(resource.RLIMIT_AS, (hard * 2, hard * 2))
        except ValueError as error: raise OSError from error
        """),
    refused("memory that cannot be swapped", """
        import ctypes
        if ctypes.CDLL(None).mlockall(3) != 0: raise OSError
        """),
    refused("a lower score with the memory killer", "with open('/proc/self/oom_score_adj', 'w') as f: f.write('-1000')"),
    harmless("holes in its address space", """
        import mmap
        x = [mmap.mmap(-1, 4096) for _ in range(2000)]
        """),
    harmless("garbage that refers to itself", """
        class Loop:
            def __del__(self): Loop()
        x = Loop(); x.x = x
        """),
)  # fmt: skip
