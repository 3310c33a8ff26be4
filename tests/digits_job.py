"""A job that the real model learns in four short steps: to answer with digits and little else.

A few steps more, and every answer is as good as can be: the stage would end by itself. The
reward takes the longer the longer a completion is, so that long ones arrive late.
"""

import json
from pathlib import Path
from typing import Any

from burnish.spec import JobSpec

STEPS, PROMPTS, GROUP, STALENESS = 4, 3, 6, 1
RANK, ALPHA = 16, 32
HELD_OUT_ROWS, HELD_OUT_SAMPLES = 6, 2

START, BAR = 0.2, 0.4
"""On the held-out rows, the base model is below `START` and the tuned one above `BAR`."""

_REWARD = """import time

def reward(prompt, completion, example):
    time.sleep(0.004 * len(completion))
    return sum(c.isdigit() for c in completion) / max(len(completion), 1)
"""


def write(folder: Path) -> None:
    """Rows and reward."""
    (folder / "digits.py").write_text(_REWARD)
    for name, first in (("train.jsonl", 3), ("heldout.jsonl", 60)):
        rows = [
            {"prompt": f"Write a number between {first + 8 * row} and {first + 8 * row + 9}."}
            for row in range(HELD_OUT_ROWS)
        ]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))


def spec(**rl: Any) -> JobSpec:  # noqa: ANN401 - any field of the stage
    stage = {
        "steps": STEPS,
        "prompts_per_step": PROMPTS,
        "group_size": GROUP,
        "learning_rate": 1e-3,
        "advantage": "standardized",
        "sampling": {"max_tokens": 24},
        "max_staleness": STALENESS,
    }
    return JobSpec.parse(
        {
            "training_file": "train.jsonl",
            "evaluation_file": "heldout.jsonl",
            "rewards": [{"name": "digits", "file": "digits.py"}],
            "stages": [{"rl": stage | rl}],
            "lora": {"rank": RANK, "alpha": ALPHA},
            "evaluation": {
                "samples": HELD_OUT_SAMPLES,
                "sampling": {"temperature": 1.0, "max_tokens": 24},
            },
        }
    )
