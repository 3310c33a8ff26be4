"""Processes, threads, signals: started, hidden, aimed at others, left behind."""

from attack import BRIEF, LIMITS, ends, harmless, refused

from svc_reward.lane.wire import Status

_CHILD = "import os, signal, time\nif os.fork() == 0:\n "

ATTACKS = (
    ends(
        "a fork bomb",
        "import os\nwhile True:\n try: os.fork()\n except OSError: pass",
        Status.TIMEOUT, Status.MEMORY_LIMIT,
        limits=BRIEF,
    ),
    ends(
        "a fork bomb that replaces its processes all the time",
        "import os\nwhile True:\n try:\n  if os.fork(): os._exit(0)\n except OSError: pass",
        Status.CRASH, Status.TIMEOUT,
        limits=BRIEF,
    ),
    ends(
        "a bomb of threads",
        "import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(60,)).start()",
        Status.ERROR, Status.MEMORY_LIMIT,
    ),
    harmless("a daemon", _CHILD + "os.setsid()\n if os.fork(): os._exit(0)\n time.sleep(60)").with_own_uid(),
    harmless(
        "a daemon that ignores signals",
        _CHILD + "[signal.signal(n, signal.SIG_IGN) for n in range(1, 31) if n not in (9, 19)]\n time.sleep(60)",
    ).with_own_uid(),
    harmless("a child that has stopped", _CHILD + "os.kill(os.getpid(), 19)").with_own_uid(),
    harmless("a child that outlives its parent's death signal", """
        import ctypes, os, time
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(1, 0, 0, 0, 0)
            time.sleep(60)
        """).with_own_uid(),
    harmless("children that nobody waits for", """
        import os
        for _ in range(30):
            if os.fork() == 0: os._exit(0)
        """).with_own_uid(),
    harmless("a chain of parents that exit", """
        import os, time
        if os.fork() == 0:
            for _ in range(20):
                if os.fork(): os._exit(0)
            time.sleep(60)
        """).with_own_uid(),
    harmless("a reaper of orphans", """
        import ctypes, os, time
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
        if os.fork() == 0:
            if os.fork() == 0: time.sleep(60)
            os._exit(0)
        """).with_own_uid(),
    harmless("a child with the broker's name", """
        import ctypes, os, time
        if os.fork() == 0:
            ctypes.CDLL(None).prctl(15, b"python3", 0, 0, 0)
            time.sleep(60)
        """).with_own_uid(),
    harmless("a child that keeps the result pipe", _CHILD + "time.sleep(60)").with_own_uid(),
    harmless("children that print on and on", _CHILD + "os.setsid()\n while True: print('x')").with_own_uid(),
    harmless("a thread that never ends", """
        import threading, time
        threading.Thread(target=time.sleep, args=(60,)).start()
        """),
    harmless("an exit handler that never ends", "import atexit, time\natexit.register(time.sleep, 60)"),
    ends("an end by one of its threads", """
        import os, threading, time
        threading.Thread(target=os._exit, args=(0,)).start()
        time.sleep(5)
        """, Status.CRASH),
    ends("a kill of its whole group", "import os\nos.killpg(0, 9)", Status.CRASH, Status.ERROR, Status.BLOCKED),
    ends("a kill of everything it may kill", "import os\nos.kill(-1, 9)\nwhile True: pass",
         Status.CRASH, Status.TIMEOUT, Status.BLOCKED, limits=BRIEF),
    ends("a stop of itself", "import os\nos.kill(os.getpid(), 19)\nreturn 1",
         Status.TIMEOUT, limits=BRIEF),
    ends("a stop of all that it may stop", "import os\nos.kill(-1, 19)\nwhile True: pass",
         Status.TIMEOUT, Status.BLOCKED, limits=BRIEF),
    ends("an alarm clock", "import signal, time\nsignal.alarm(1)\ntime.sleep(5)", Status.CRASH),
    ends("a sleep without end", "import time\ntime.sleep(1e6)", Status.TIMEOUT, limits=BRIEF),
    ends("a loop that ignores every signal", """
        import signal
        for n in range(1, 31):
            if n not in (9, 19): signal.signal(n, signal.SIG_IGN)
        while True: pass
        """, Status.TIMEOUT, limits=BRIEF),
    ends("a loop in C", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", Status.TIMEOUT, limits=BRIEF),
    ends("another program in its place", "import os, sys\nos.execv(sys.executable, ['python', '-c', 'pass'])",
         Status.CRASH, Status.BLOCKED, Status.ERROR, limits=LIMITS),
    ends("a dead parent of living children", _CHILD + "time.sleep(60)\nos._exit(0)",
         Status.CRASH).with_own_uid(),
    refused("a kill of its parent", "os.kill(os.getppid(), 9)"),
    refused("a kill of the lane's init", "os.kill(1, 9)"),
    refused("a stop of its parent", "os.kill(os.getppid(), 19)"),
    refused("a kill of a process of the host", "os.kill(int(example['pid']), 9)"),
    refused("a signal with data to its parent", """
        import ctypes
        if ctypes.CDLL(None, use_errno=True).sigqueue(os.getppid(), 15, 0): raise OSError
        """),
    refused("precedence over others", "os.nice(-5)"),
    refused("its parent's precedence", "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)").with_own_uid(),
    refused("a real-time schedule", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))"),
    refused("its parent's processors", "os.sched_setaffinity(os.getppid(), {0})").with_own_uid(),
    refused("its parent's group", "os.setpgid(os.getppid(), 0)"),
)  # fmt: skip
