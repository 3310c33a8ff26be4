"""The `burnish` command.

Exit status: 0 success, 2 bad input, 1 any other failure, 130 interrupted. What went wrong is one
sentence on standard error; `--debug`, or BURNISH_DEBUG=1, shows the traceback instead.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from typer.exceptions import TyperException

from burnish.cli.root import app
from burnish.errors import BurnishError, UserError

BAD_INPUT = 2
FAILURE = 1
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if "--debug" in arguments:
        arguments.remove("--debug")
        os.environ["BURNISH_DEBUG"] = "1"
    sys.exit(run(arguments))


def run(arguments: Sequence[str], commands: typer.Typer = app, name: str = "burnish") -> int:
    """Run one command of `commands` and return its exit status."""
    try:
        result = commands(args=list(arguments), prog_name=name, standalone_mode=False)
    except Exception as error:
        if os.environ.get("BURNISH_DEBUG") and not isinstance(error, typer.Abort):
            raise
        return _explain(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return result if isinstance(result, int) else 0


def _explain(error: Exception) -> int:
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if isinstance(error, TyperException):
        return _say(error.format_message(), BAD_INPUT)
    if isinstance(error, UserError):
        return _say(str(error), BAD_INPUT)
    if isinstance(error, BurnishError):
        return _say(str(error), FAILURE)
    if isinstance(error, BrokenPipeError):
        # The reader has seen enough (`burnish jobs list | head`); keep the exit from flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    kind = type(error).__name__
    return _say(
        f"Burnish failed unexpectedly ({kind}: {error}); BURNISH_DEBUG=1 shows where.", FAILURE
    )


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"burnish: {sentence}\n" if sentence else "")
    return status


__all__ = ["main", "run"]
