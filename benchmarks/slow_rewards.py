"""What benchmarks with slow rewards share: the job's files."""

import shutil
from pathlib import Path

ROWS = Path(__file__).parents[1] / "examples" / "extraction" / "train.jsonl"
REWARD = """
import time, zlib

def reward(prompt: str, completion: str, example: dict[str, str]) -> float:
    time.sleep({seconds})
    return zlib.crc32(completion.encode()) % 1000 / 1000
"""


def write(folder: Path, seconds: float) -> None:
    """The rows and the reward of the next jobs; one score takes so long."""
    shutil.copy(ROWS, folder / "train.jsonl")
    (folder / "slow.py").write_text(REWARD.format(seconds=seconds))
