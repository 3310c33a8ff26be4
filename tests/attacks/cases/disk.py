"""Files: full disks, odd names, links, devices, and places that are not the evaluation's."""

import pwd

from attack import ends, harmless, refused

from svc_reward.lane.wire import Status

_FULL = (Status.DISK_LIMIT,)
_KEYS = pwd.getpwuid(0).pw_dir + "/.ssh"

ATTACKS = (
    ends("one file without end", "with open('x', 'wb') as f:\n while True: f.write(bytes(1 << 20))", *_FULL),
    ends("many files", "n = 0\nwhile True:\n n += 1\n open(str(n), 'w').close()", *_FULL).with_own_uid(),
    ends("many directories", "import os\nn = 0\nwhile True:\n n += 1\n os.mkdir(str(n))", *_FULL).with_own_uid(),
    ends("a sparse file of a terabyte", "f = open('x', 'wb')\nf.seek(1 << 40)\nf.write(b'x')\nf.close()", *_FULL),
    ends("several files that fill the disk", """
        for n in range(100):
            with open(str(n), "wb") as f: f.write(bytes(8 << 20))
        """, *_FULL).with_own_uid(),
    ends("shared memory as a disk", """
        for n in range(100):
            with open(f"/dev/shm/{n}", "wb") as f: f.write(bytes(8 << 20))
        """, *_FULL, Status.BLOCKED).with_own_uid(),
    harmless("a full disk", """
        try:
            with open("x", "wb") as f:
                while True: f.write(bytes(1 << 20))
        except OSError: pass
        """),
    harmless("no inode left", """
        import os
        try:
            for n in range(100_000): os.mkdir(str(n))
        except OSError: pass
        """).with_own_uid(),
    harmless("a deep directory", "import os\nfor _ in range(200): os.mkdir('d'); os.chdir('d')"),
    harmless("directories without rights", """
        import os
        os.makedirs("a/b/c"); open("a/b/f", "w").close()
        os.chmod("a/b/f", 0); os.chmod("a/b", 0); os.chmod("a", 0)
        """),
    harmless("hidden and odd names", """
        import os
        for name in (b".hidden", b"...", b" ", b"-rf", b"\\xff\\xfe", b"a\\nb", b"\\x1b[2J", b"x" * 255):
            os.mkdir(name)
        """),
    harmless("links in a circle, and out of the disk", """
        import os
        os.symlink("a", "b"); os.symlink("b", "a"); os.symlink("/", "root"); os.symlink("/etc/passwd", "p")
        """),
    harmless("hard links", "import os\nopen('a', 'w').close()\nfor n in range(50): os.link('a', str(n))"),
    harmless("pipes", "import os\nfor n in range(20): os.mkfifo(str(n))"),
    harmless("files in shared memory", "open('/dev/shm/left', 'w').write('x')").with_own_uid(),
    harmless("an open file without a name", "import os\nf = open('x', 'w+')\nf.write('x' * 1000)\nos.unlink('x')"),
    harmless("locks on everything", """
        import fcntl, os
        for name in ("/usr/lib", "/proc/self/exe", "/dev/null", "."):
            try: fcntl.flock(os.open(name, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError: pass
        """),
    harmless("a daemon that makes files while they are swept", """
        import os
        if os.fork() == 0:
            os.setsid(); n = 0
            while True:
                n += 1
                try: os.mkdir(str(n))
                except OSError: pass
        """).with_own_uid(),
    refused("a file in a system folder", "open('/usr/lib/left', 'w').close()").with_own_uid(),
    refused("a file in the root", "open('/left', 'w').close()").with_own_uid(),
    refused("a file in /etc", "open('/etc/left', 'w').close()").with_own_uid(),
    refused("the interpreter's own files", "open(os.__file__, 'r+b').close()").with_own_uid(),
    refused("the lane's own program", """
        import sys
        open(sys.modules["burnish_lane"].__file__, "r+b").close()
        """).with_own_uid(),
    refused("a module beside the lane's", """
        import sys
        open(os.path.dirname(sys.modules["burnish_lane"].__file__) + "/left.py", "w").close()
        """).with_own_uid(),
    refused("a file of the host", "open(example['file']).read()").with_own_uid(),
    refused("a file of the host, to write", "open(example['file'], 'a').close()").with_own_uid(),
    refused("the administrator's home", f"os.listdir({_KEYS!r})").with_own_uid(),
    refused("the passwords", "open('/etc/shadow').read()").with_own_uid(),
    refused("the engine's socket", """
        import socket
        socket.socket(socket.AF_UNIX).connect("/var/run/docker.sock")
        """),
    refused("a block device", "os.mknod('disk', 0o60666, os.makedev(8, 0))").with_own_uid(),
    refused("a character device", "os.mknod('mem', 0o20666, os.makedev(1, 1))").with_own_uid(),
    refused("the kernel's log", "with open('/dev/kmsg', 'w') as f: f.write('x')").with_own_uid(),
    refused("a terminal", "open('/dev/tty')"),
    refused("another root", "os.chroot('.')"),
    refused("another owner of its files", "open('x', 'w').close()\nos.chown('x', 0, 0)").with_own_uid(),
    refused("a set-uid file of another owner", "os.chmod('/proc/self/exe', 0o4777)").with_own_uid(),
)  # fmt: skip
