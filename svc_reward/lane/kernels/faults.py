"""Explains exceptions that foreign code raised: what to tell people, and which limit it was."""

import traceback

from ..runner import explain
from ..wire import Status
from .reports import MAX_TEXT, Failure, Reason

_REASONS = {
    Status.MEMORY_LIMIT: Reason.MEMORY,
    Status.DISK_LIMIT: Reason.DISK,
    Status.BLOCKED: Reason.FORBIDDEN,
}
_NO_MEMORY = ("can't allocate memory", "CUDA out of memory")
_FRAMES = 6


def failure(error: BaseException, filename: str) -> Failure:
    """What a candidate's process reports of an exception; never raises."""
    text = describe(error, filename)
    reason = _REASONS.get(explain(error).status, Reason.RAISED)
    return Failure(Reason.MEMORY if any(hint in text for hint in _NO_MEMORY) else reason, text)


def describe(error: BaseException, filename: str) -> str:
    """The lines of `filename` that led to an exception, and its own text."""
    lines: list[str] = []
    try:
        trace = traceback.extract_tb(_innermost(error).__traceback__, limit=-200)
        for frame in [frame for frame in trace if frame.filename == filename][-_FRAMES:]:
            code = f": {frame.line}" if frame.line else ""
            lines.append(f"line {frame.lineno} in {frame.name}{code}")
        lines.append("".join(traceback.format_exception_only(_innermost(error))).strip())
    except BaseException:  # noqa: BLE001 - str(error) is foreign code as well
        lines.append(type(error).__name__)
    text = "\n".join(lines)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT // 2] + "…" + text[-MAX_TEXT // 4 :]


def _innermost(error: BaseException) -> BaseException:
    """What Triton's interpreter wrapped."""
    while type(error).__name__ == "InterpreterError" and error.__cause__ is not None:
        error = error.__cause__
    return error
