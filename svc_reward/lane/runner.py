"""Calls a user's reward function on one completion and says how that went.

The payload is a JSON object with `source`, `entry`, `prompt`, `completion`, `example`, and
`context` where the function takes it.
"""

import errno
import json
import linecache
import math
import os
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import SupportsFloat

from .wire import MAX_MESSAGE, MAX_SCORE, Record, Status

FILENAME = "reward.py"

_DISK = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH, errno.ENETDOWN}


def judge(payload: bytes) -> Record:
    """Run one job to its record; never raises."""
    try:
        job = json.loads(payload)
        function = load(job["source"], job["entry"])
        arguments = [job["prompt"], job["completion"], job["example"]]
        if job.get("context") is not None:
            arguments.append(job["context"])
        return interpret(function(*arguments))
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are the user's too
        return explain(error)


def load(source: str, entry: str) -> Callable[..., object]:
    """Execute a reward's source and return its function."""
    module = types.ModuleType("reward")
    module.__file__ = FILENAME
    sys.modules["reward"] = module
    # Lets tracebacks and inspect.getsource (which @triton.jit needs) find the lines.
    linecache.cache[FILENAME] = (len(source), None, source.splitlines(keepends=True), FILENAME)
    exec(compile(source, FILENAME, "exec"), module.__dict__)  # noqa: S102 - what a lane is for
    function: object = module.__dict__.get(entry)
    if not callable(function):
        raise TypeError(f"{entry} is not a function after the source has run")
    return function


def interpret(value: object) -> Record:
    """What a returned value means as a score."""
    if value is None:
        return Record(Status.INVALID, 0.0, "the function returned None")
    if isinstance(value, dict):
        return _interpret_dict(value)
    kind = type(value).__name__
    if not isinstance(value, SupportsFloat):
        return _not_a_score(f"the function returned {kind}, not a number")
    try:
        score = float(value)
    except Exception as error:  # noqa: BLE001 - __float__ is the user's
        return _not_a_score(f"the function returned a {kind} that is no number: {error}")
    return _in_range(score)


def _in_range(score: float) -> Record:
    if not math.isfinite(score):
        return _not_a_score(f"the function returned {score}")
    if abs(score) > MAX_SCORE:
        return _not_a_score(f"the function returned {score:g}, outside ±{MAX_SCORE:g}")
    return Record(Status.OK, score, "")


def _interpret_dict(value: dict[object, object]) -> Record:
    """`{"score": number, "valid": bool, "reason": str}`; all but the score may be left out."""
    unknown = set(value) - {"score", "valid", "reason"}
    if unknown:
        names = ", ".join(sorted(map(repr, unknown)))
        return _not_a_score(
            f"the function returned a dict with {names}; score, valid, reason count"
        )
    reason = str(value.get("reason") or "")
    if not value.get("valid", True):
        return Record(Status.INVALID, 0.0, reason or "the function says: not valid")
    score = value.get("score")
    if score is None or isinstance(score, dict):
        return _not_a_score("the function returned a dict without a score")
    return interpret(score)._replace(message=reason)


def _not_a_score(message: str) -> Record:
    return Record(Status.INVALID_SCORE, 0.0, message)


def explain(error: BaseException) -> Record:
    """The status and the message that an exception deserves."""
    return Record(_status_of(error), 0.0, shorten(error))


def _status_of(error: BaseException) -> Status:
    for cause in _causes(error):
        if isinstance(cause, MemoryError):
            return Status.MEMORY_LIMIT
        if type(cause).__name__ == "gaierror":
            return Status.BLOCKED
        if isinstance(cause, OSError) and cause.errno in _DISK:
            return Status.DISK_LIMIT
        if isinstance(cause, OSError) and cause.errno in _FORBIDDEN:
            return Status.BLOCKED
    return Status.ERROR


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, what it wraps, and what it says that it comes from."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue and len(seen) < 16:
        cause = queue.pop(0)
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            # urllib's URLError keeps what happened in `reason`.
            queue += [cause.__cause__, getattr(cause, "reason", None)]


def shorten(error: BaseException) -> str:
    """A traceback of the user's own lines only, ending in what was raised."""
    lines: list[str] = []
    try:
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__, limit=-200)
            if frame.filename == FILENAME
        ]
        for frame in frames[-8:]:
            place = f" in {frame.name}" if frame.name != "<module>" else ""
            code = f": {frame.line}" if frame.line else ""
            lines.append(f"line {frame.lineno}{place}{code}")
        lines.append("".join(traceback.format_exception_only(error)).strip())
    except BaseException:  # noqa: BLE001 - str(error) is the user's as well
        lines.append(type(error).__name__)
    text = "\n".join(lines)
    if len(text) > MAX_MESSAGE:
        text = text[: MAX_MESSAGE // 2] + "…" + text[-MAX_MESSAGE // 4 :]
    return text + _advice(error)


def _advice(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return "\nThe module is not installed where the reward service runs."
    if isinstance(error, OSError) and error.errno == errno.EPERM:
        return "\nThe sandbox does not allow this."
    return ""


def reseed() -> None:
    """Give generators a state of their own.

    Children inherit the zygote's: every evaluation would draw the same "random" inputs, which a
    policy learns. Python's own generator sees to this by itself.
    """
    seed = int.from_bytes(os.urandom(4), "big")
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed)
    if (torch := sys.modules.get("torch")) is not None:
        torch.random.default_generator.manual_seed(seed)


def line_buffered_output() -> None:
    """Give `print` the lane's pipe, so that what was printed before a crash is kept."""
    for name in ("stdout", "stderr"):
        stream = open(  # noqa: SIM115 - lives as long as the process
            os.dup(1), "w", buffering=1, encoding="utf-8", errors="backslashreplace"
        )
        setattr(sys, name, stream)
