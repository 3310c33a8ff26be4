"""System calls that reach other processes, other namespaces, or deep into the kernel."""

from attack import refused, system_call

ATTACKS = (
    system_call("tracing its parent", 101, "16, os.getppid(), 0, 0"),
    system_call("seizing its parent", 101, "0x4206, os.getppid(), 0, 0"),
    system_call("being traced", 101, "0, 0, 0, 0"),
    system_call("reading its parent's memory", 310, "os.getppid(), 0, 0, 0, 0, 0"),
    system_call("writing its parent's memory", 311, "os.getppid(), 0, 0, 0, 0, 0"),
    system_call("advising its parent's memory", 440, "0, 0, 0, 0, 0"),
    system_call("comparing with its parent", 312, "os.getpid(), os.getppid(), 0, 0, 0"),
    system_call("a descriptor of its parent", 434, "os.getppid(), 0"),
    system_call("its parent's descriptors", 438, "3, 1, 0"),
    system_call("a signal by descriptor", 424, "3, 9, 0, 0"),
    system_call("a forged signal", 129, "os.getppid(), 15, 0"),
    system_call("a program for the kernel", 321, "0, 0, 0"),
    system_call("counting the kernel's events", 298),
    system_call("handling its own page faults", 323, "1"),
    system_call("own namespaces of users", 272, "0x10000000"),
    system_call("own namespaces of all kinds", 272, "0x7c020000"),
    system_call("its parent's namespaces", 308, "3, 0"),
    system_call("a child in other namespaces", 56, "0x10000000 | 17, 0, 0, 0, 0"),
    system_call("a child by the newest call", 435, "0, 88"),
    system_call("a mount", 165),
    system_call("an unmount", 166, "b'/', 2"),
    system_call("the newest ways to mount", 430, "b'tmpfs', 0"),
    system_call("a tree of mounts", 428, "-100, b'/', 1"),
    system_call("another root", 161, "b'.'"),
    system_call("turning the root around", 155, "b'.', b'.'"),
    system_call("files by handle", 304, "-100, 0, 0"),
    system_call("a module for the kernel", 313, "0, b'', 0"),
    system_call("another kernel", 246, "0, 0, 0, 0"),
    system_call("a restart", 169, "0xfee1dead, 672274793, 0x1234567, 0"),
    system_call("the kernel's log", 103, "3, 0, 0"),
    system_call("another name for the machine", 170, "b'x', 1"),
    system_call("segments of its own", 154, "0, 0, 0"),
    system_call("ports of devices", 172, "3"),
    system_call("secret memory", 447, "0"),
    system_call("watching all files", 300, "0, 0"),
    system_call("accounting", 163, "0"),
    system_call("swap", 167, "b'x', 0"),
    system_call("the time of day", 164, "(ctypes.c_long * 2)(0, 0), 0"),
    system_call("its own capabilities", 126, "(ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)"),
    refused("the clock", "import time\ntime.clock_settime(time.CLOCK_REALTIME, 0)"),
    refused("the superuser", "os.setresuid(0, 0, 0)").with_own_uid(),
    refused("the superuser's group", "os.setresgid(0, 0, 0)").with_own_uid(),
    refused("more groups", "os.setgroups([0])").with_own_uid(),
    refused("the next evaluation's uid", "os.setresuid(os.getuid() + 1, -1, -1)").with_own_uid(),
    refused("more processes", """
        import resource
        try: resource.setrlimit(resource.RLIMIT_NPROC, (100_000, 100_000))
        except ValueError as error: raise OSError from error
        """).with_own_uid(),
    refused("more open files", """
        import resource
        try: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
        except ValueError as error: raise OSError from error
        """),
    refused("larger files", """
        import resource
        try: resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        except ValueError as error: raise OSError from error
        """),
    refused("its parent's limits", """
        import resource
        try: resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))
        except ValueError as error: raise OSError from error
        """),
    system_call("a filter that lets everything through", 101, "16, 1, 0, 0"),
)  # fmt: skip
