"""Start one program that ends with its parent: `python -I -S launch.py PARENT PROGRAM ARGS...`.

Linux sends the child a SIGTERM when the thread that started it ends, whatever ended it; the setting
survives `exec`. Elsewhere the program just starts. Only the standard library is imported: this runs
in front of every service.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have this process terminated when its parent ends; it exits at once if that was before."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before the call above
            sys.exit(1)


def main() -> None:
    parent, *command = sys.argv[1:]
    end_with(int(parent))
    os.execvp(command[0], command)  # noqa: S606 (that is its job)


if __name__ == "__main__":
    main()
