"""`from burnish import sandbox`: run a program from inside a reward, apart from the reward itself.

In a lane of the reward service this module is replaced by the lane's own: there the program runs
under another uid, without network, and cannot see the reward's memory, files or secrets. Here, where
a reward is tried in a unit test, it is a plain subprocess with a time limit, and no sandbox.
"""

import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import NamedTuple

MAX_OUTPUT = 64 << 10
MAX_CODE = 1 << 20


class NoSandboxWarning(UserWarning):
    """The program runs with the rights of whoever runs the test."""


class Completed(NamedTuple):
    """How a program ended.

    Attributes:
        exit_code: as `subprocess.Popen.returncode` has it: negative is a signal's number.
        stdout: what it printed, at most MAX_OUTPUT bytes.
        stderr: the same of its standard error.
        timed_out: it was ended because its time was over.
        out_of_memory: it was ended for its memory; never outside of a lane, which has no limit.
        truncated: it printed more than was kept.
        seconds: wall time.
    """

    exit_code: int
    stdout: str
    stderr: str
    timed_out: bool = False
    out_of_memory: bool = False
    truncated: bool = False
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """It ended by itself, with exit code 0."""
        return self.exit_code == 0 and not self.timed_out


def run(code: str, stdin: str = "", timeout: float = 5.0) -> Completed:
    """Run Python source as a program, in an empty folder and with an empty environment.

    Args:
        code: its source, at most 1 MiB.
        stdin: its standard input.
        timeout: seconds of wall time.

    Raises:
        TypeError: `code` or `stdin` is no text.
        ValueError: an argument that cannot be used.
    """
    if not isinstance(code, str) or not isinstance(stdin, str):
        raise TypeError("code and stdin are text")
    if len(code) > MAX_CODE:
        raise ValueError(f"code has at most {MAX_CODE} characters")
    if not timeout > 0:
        raise ValueError("timeout is a number of seconds above 0")
    warnings.warn(
        "sandbox.run isolates only inside the reward service; here it is a plain subprocess",
        NoSandboxWarning,
        stacklevel=2,
    )
    with tempfile.TemporaryDirectory(prefix="burnish-program-") as folder:
        return _run(code, stdin, timeout, Path(folder))


def _run(code: str, stdin: str, timeout: float, folder: Path) -> Completed:
    program = folder / "main.py"
    program.write_text(code, encoding="utf-8", errors="surrogatepass")
    started = time.monotonic()
    # Files, not pipes: a grandchild that keeps a pipe open would hold up the test.
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # fmt: skip
        given.write(stdin.encode(errors="surrogatepass"))
        given.seek(0)
        process = subprocess.Popen(  # noqa: S603 - what the caller asks for
            [sys.executable, "-I", str(program)],
            stdin=given,
            stdout=out,
            stderr=err,
            cwd=folder,
            env={},
        )
        timed_out = False
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
        finally:
            process.kill()
            process.wait()
        seconds = time.monotonic() - started
        texts: list[str] = []
        truncated = False
        for stream in (out, err):
            stream.seek(0)
            data = stream.read(MAX_OUTPUT + 1)
            truncated |= len(data) > MAX_OUTPUT
            texts.append(data[:MAX_OUTPUT].decode(errors="backslashreplace"))
    return Completed(
        exit_code=process.returncode,
        stdout=texts[0],
        stderr=texts[1],
        timed_out=timed_out,
        truncated=truncated,
        seconds=seconds,
    )
