"""Runs one program for a reward, as a process that shares nothing with it but two pipes."""

import io
import json
import sys
import traceback
import types
from typing import NoReturn

FILENAME = "main.py"


def serve(payload: bytes) -> NoReturn:
    """Run the program as `__main__`; its exit code is this process's.

    Args:
        payload: JSON with `code` and `stdin`.
    """
    job = json.loads(payload)
    sys.stdin = io.TextIOWrapper(io.BytesIO(job["stdin"].encode()), encoding="utf-8")
    sys.argv = [FILENAME]
    module = types.ModuleType("__main__")
    module.__file__ = FILENAME
    sys.modules["__main__"] = module
    code = 0
    try:
        exec(compile(job["code"], FILENAME, "exec"), module.__dict__)  # noqa: S102 - what it is for
    except SystemExit as stop:
        code = _exit_code(stop)
    except BaseException as error:  # noqa: BLE001 - as the interpreter does it
        _report(error)
        code = 1
    _end(code)


def _exit_code(stop: SystemExit) -> int:
    if stop.code is None or isinstance(stop.code, int):
        return (stop.code or 0) & 0xFF
    print(stop.code, file=sys.stderr)  # noqa: T201 - as the interpreter does it
    return 1


def _report(error: BaseException) -> None:
    """The traceback, less the frames of this file."""
    trace = error.__traceback__
    traceback.print_exception(type(error), error, trace.tb_next if trace else None)


def _end(code: int) -> NoReturn:
    import os  # noqa: PLC0415 - the program may have replaced any name of this module's

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001, S112 - the program may have closed or replaced it
            continue
    os._exit(code)
