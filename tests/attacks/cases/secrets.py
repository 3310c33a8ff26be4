"""What is others': memory, environments, descriptors, earlier evaluations."""

from attack import harmless, refused, scores

ATTACKS = (
    refused("its parent's memory", "open(f'/proc/{os.getppid()}/mem', 'r+b')"),
    refused("its parent's map", "if not open(f'/proc/{os.getppid()}/maps').read(): raise OSError"),
    refused("its parent's environment", "open(f'/proc/{os.getppid()}/environ').read()"),
    refused("its parent's descriptors", "os.readlink(f'/proc/{os.getppid()}/fd/1')"),
    refused("its parent's output", "open(f'/proc/{os.getppid()}/fd/1', 'wb')"),
    refused("its parent's folder", "os.listdir(f'/proc/{os.getppid()}/cwd')"),
    refused("its parent's root", "os.listdir(f'/proc/{os.getppid()}/root')"),
    refused("its parent's stack", "open(f'/proc/{os.getppid()}/stack').read()"),
    refused("its parent's system call", "open(f'/proc/{os.getppid()}/syscall').read()"),
    refused("the broker's memory", "open('/proc/1/mem', 'r+b')"),
    refused("the broker's environment", "open('/proc/1/environ').read()"),
    refused("the broker's output", "open('/proc/1/fd/1', 'wb')"),
    refused("the machine's root, through the broker", "os.listdir('/proc/1/root')"),
    refused("a thread of its parent", "open(f'/proc/{os.getppid()}/task/{os.getppid()}/mem', 'rb')"),
    refused("its own program file", "open('/proc/self/exe', 'r+b')"),
    refused("a map of its users", "with open('/proc/self/uid_map', 'w') as f: f.write('0 0 1')"),
    refused("the kernel's core", "open('/proc/kcore', 'rb').read(1)").with_own_uid(),
    refused("the kernel's switches", "with open('/proc/sys/kernel/core_pattern', 'w') as f: f.write('|x')").with_own_uid(),
    refused("the magic key", "with open('/proc/sysrq-trigger', 'w') as f: f.write('h')").with_own_uid(),
    refused("its own control group", """
        import glob
        groups = glob.glob("/sys/fs/cgroup/**/cgroup.procs", recursive=True)
        if not groups: raise OSError
        for name in groups: open(name, "w").write("0")
        """).with_own_uid(),
    scores("the service's environment", """
        import os
        return 0.5 if not any("BURNISH" in name or "SECRET" in name for name in os.environ) else 1.0
        """, 0.5),
    scores("the earlier evaluation's objects", """
        import gc
        needle = "earlier-" + "canary"
        found = [o for o in gc.get_objects() if isinstance(o, dict) and o is not locals()
                 and any(type(v) is str and v.startswith(needle) for v in list(o.values()))]
        return 0.5 if not found else 1.0
        """, 0.5),
    refused("its own memory, where earlier evaluations' bytes may be", "open('/proc/self/mem', 'rb')").with_own_uid(),
    scores("descriptors of others", """
        import os, stat
        for name in os.listdir("/proc/self/fd"):
            try: mode = os.fstat(int(name)).st_mode
            except OSError: continue
            if stat.S_ISSOCK(mode): return 1.0
            if stat.S_ISDIR(mode) and os.path.realpath(f"/proc/self/fd/{name}") == "/": return 1.0
        return 0.5
        """, 0.5),
    scores("others' processes of its own uid", """
        import os
        mine = 0
        for name in os.listdir("/proc"):
            if name.isdigit():
                try: mine += os.stat(f"/proc/{name}").st_uid == os.getuid()
                except OSError: pass
        return 0.5 if mine == 1 else 1.0
        """, 0.5).with_own_uid(),
    harmless("modules for whoever comes next", """
        import os, sys
        for name in ("sitecustomize.py", "usercustomize.py", "json.py", "torch.py", "evil.pth", "conftest.py"):
            open(name, "w").write("raise SystemExit")
        sys.path.insert(0, os.getcwd())
        """),
    harmless("a poisoned import system", """
        import sys
        class Finder:
            def find_spec(self, *a): raise SystemExit
        sys.meta_path.insert(0, Finder()); sys.path.clear(); sys.path_importer_cache.clear()
        """),
    harmless("poisoned modules", """
        import json, os, random, struct, sys, time
        json.loads = json.dumps = random.seed = lambda *a, **k: {}
        time.time = time.monotonic = lambda: 0
        sys.modules["math"] = None
        """),
    harmless("a poisoned environment", """
        import os
        os.environ.update(LD_PRELOAD="/tmp/x.so", PYTHONPATH="/tmp", PYTHONSTARTUP="/tmp/x", PATH="/tmp")
        """),
    harmless("a poisoned lane", """
        import sys
        for name, module in list(sys.modules.items()):
            if name.startswith("burnish_lane.") and not name.endswith(("wire", "runner", "child")):
                for key in list(vars(module)):
                    if not key.startswith("__"): setattr(module, key, None)
        """),
)  # fmt: skip
