"""Runs one evaluation in its own process: calls what judges, and says how that went.

The payload is a JSON object. `kind` says what judges:

    function     a reward function: source, entry, prompt, completion, example, context?
    group        one that compares: completions instead of completion
    grade        an OpenAI python grader: source, entry, sample, item
    similarity   an OpenAI text_similarity grader: metric, input, reference
    triton       the grader of kernels: completion, example, options

All of them have `seed`; the first three may have `secrets`.
"""

import errno
import json
import linecache
import math
import os
import random
import sys
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, SupportsFloat

from .run_program import Runner
from .wire import MAX_FLAGS, MAX_MESSAGE, MAX_PARTS, MAX_SCORE, Parts, Record, Status, is_name
from .workers import BrokerWorkers, NoWorkers, Workers

FILENAME = "reward.py"

_DISK = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_FORBIDDEN = {errno.EPERM, errno.EACCES, errno.EROFS, errno.ENETUNREACH, errno.ENETDOWN}


def judge(payload: bytes, workers: Workers | None = None) -> Record:
    """Run one job to its record; never raises."""
    try:
        job = json.loads(payload)
        reseed(job.get("seed", 0))
        os.environ.update(job.get("secrets") or {})
        return _KINDS[job["kind"]](job, workers or NoWorkers())
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are the user's too
        return explain(error)


def _function(job: Mapping[str, Any], workers: Workers) -> Record:
    function = _loaded(job, workers)
    arguments = [job["prompt"], job["completion"], job["example"]]
    if job.get("context") is not None:
        arguments.append(job["context"])
    return interpret(function(*arguments))


def _group(job: Mapping[str, Any], workers: Workers) -> Record:
    function = _loaded(job, workers)
    arguments = [job["prompt"], list(job["completions"]), job["example"]]
    if job.get("context") is not None:
        arguments.append(job["context"])
    return interpret_group(function(*arguments), len(job["completions"]))


def _grade(job: Mapping[str, Any], workers: Workers) -> Record:
    return interpret(_loaded(job, workers)(job["sample"], job["item"]))


def _similarity(job: Mapping[str, Any], _: Workers) -> Record:
    from .similarity import similarity  # noqa: PLC0415 - its libraries are only in lanes that need them

    return interpret(similarity(job["metric"], job["input"], job["reference"]))


def _triton(job: Mapping[str, Any], workers: Workers) -> Record:
    from .kernels import grader  # noqa: PLC0415 - needs torch

    return grader.grade(job, workers)


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Workers], Record]] = {
    "function": _function,
    "group": _group,
    "grade": _grade,
    "similarity": _similarity,
    "triton": _triton,
}


def _loaded(job: Mapping[str, Any], workers: Workers) -> Callable[..., object]:
    if isinstance(workers, BrokerWorkers):
        offer_sandbox(Runner(workers))
    return load(job["source"], job["entry"])


def offer_sandbox(runner: Runner) -> None:
    """Make `from burnish import sandbox` give the lane's own: nothing else of the package is here."""
    package, module = types.ModuleType("burnish"), types.ModuleType("burnish.sandbox")
    package.__path__ = []
    vars(module).update(run=runner.run)
    vars(package).update(sandbox=module)
    sys.modules.update({"burnish": package, "burnish.sandbox": module})


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


def interpret_group(value: object, size: int) -> Record:
    """What a group function returned: one score, or None, for each completion."""
    if not isinstance(value, list | tuple) or len(value) != size:
        found = f"{len(value)}" if isinstance(value, list | tuple) else type(value).__name__
        return _not_a_score(f"the function returned {found} instead of {size} scores in a list")
    parts: list[tuple[str, float]] = []
    for index, each in enumerate(value):
        record = interpret(each)
        if record.status not in {Status.OK, Status.INVALID}:
            return record._replace(message=f"completion {index}: {record.message}")
        if record.status is Status.OK:
            parts.append((str(index), record.value))
    return Record(Status.OK, 0.0, "", tuple(parts))


def _interpret_dict(value: dict[object, object]) -> Record:
    """`{"score": number, "valid", "reason", "scores", "flags"}`; all but the score may be left out."""
    unknown = set(value) - {"score", "valid", "reason", "scores", "flags"}
    if unknown:
        names = ", ".join(sorted(map(repr, unknown)))
        return _not_a_score(
            f"the function returned a dict with {names}; score, valid, reason, scores, flags count"
        )
    reason = str(value.get("reason") or "")
    if not value.get("valid", True):
        return Record(Status.INVALID, 0.0, reason or "the function says: not valid")
    score = value.get("score")
    if score is None or isinstance(score, dict):
        return _not_a_score("the function returned a dict without a score")
    try:
        details = _parts(value.get("scores") or {}), _flags(value.get("flags") or ())
    except (TypeError, ValueError, OverflowError) as error:
        return _not_a_score(f"the function returned a dict that cannot be read: {error}")
    record = interpret(score)
    return record._replace(message=record.message or reason, parts=details[0], flags=details[1])


def _parts(value: object) -> Parts:
    if not isinstance(value, dict) or len(value) > MAX_PARTS:
        raise TypeError(f"`scores` is a dict of at most {MAX_PARTS} numbers")
    parts = tuple((_name(name), float(number)) for name, number in value.items())
    if not all(math.isfinite(number) for _, number in parts):
        raise ValueError("`scores` are finite numbers")
    return parts


def _flags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_FLAGS:
        raise TypeError(f"`flags` is a list of at most {MAX_FLAGS} names")
    return tuple(_name(name) for name in value)


def _name(name: object) -> str:
    if not isinstance(name, str) or not is_name(name):
        raise ValueError(f"{name!r} is not a name of letters, digits, '_' and '-'")
    return name


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


def reseed(seed: int) -> None:
    """Give generators the state of this evaluation.

    Children inherit the zygote's: every evaluation would draw the same "random" inputs, which a
    policy learns. The seed is fresh for each, and kept with the score.
    """
    random.seed(seed)
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed(seed % 2**32)
    if (torch := sys.modules.get("torch")) is not None:
        torch.random.default_generator.manual_seed(seed % 2**63)


def line_buffered_output() -> None:
    """Give `print` the lane's pipes, so that what was printed before a crash is kept."""
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = open(  # noqa: SIM115 - lives as long as the process
            os.dup(descriptor), "w", buffering=1, encoding="utf-8", errors="backslashreplace"
        )
        setattr(sys, name, stream)
