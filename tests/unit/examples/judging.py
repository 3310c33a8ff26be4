"""Scores completions with an example's reward functions, in a process such as a lane's."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path(__file__).parents[3] / "examples"

# One process for all tests, as importing torch takes seconds.
JUDGE = """
import importlib.util, json, sys

replies, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    path, cases = json.loads(line)
    spec = importlib.util.spec_from_file_location("reward", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        reply = [module.reward(case.get("prompt", ""), case["completion"], case) for case in cases]
    except Exception as error:
        reply = repr(error)
    print(json.dumps(reply), file=replies, flush=True)
"""

Row = dict[str, str]
ReadRows = Callable[[str], list[Row]]


class RewardRaisedError(Exception):
    """What a reward raised, as text."""


class Judge:
    """`judge(file, rows)` scores the rows by their `completion` columns."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", JUDGE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
            text=True,
        )

    def __call__(self, file: str, rows: list[Row]) -> list[float]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps([str(EXAMPLES / file), rows]), file=self.process.stdin, flush=True)
        reply: list[float] | str = json.loads(self.process.stdout.readline())
        if isinstance(reply, str):
            raise RewardRaisedError(reply)
        return reply

    def stop(self) -> None:
        self.process.kill()
        self.process.communicate()
