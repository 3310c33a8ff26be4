"""A learner process of its own that knows a tiny base model: `python learner_process.py`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1]
PATHS = (TESTS.parent, TESTS, TESTS / "integration")


@contextmanager
def learner_process(nats_url: str, name: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """One that runs until it is told to end, and is killed when the test is over."""
    env = {
        "PYTHONPATH": os.pathsep.join(map(str, PATHS)),
        "OMP_NUM_THREADS": "1",
        "BURNISH_NATS_URL": nats_url,
        "BURNISH_INSTANCE": name,
        "BURNISH_ACK_WAIT": "2",
        "BURNISH_LEARNER_CHECKPOINT_SECONDS": "0",
    }
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, __file__], env={**os.environ, **env}, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


if __name__ == "__main__":
    from learner_pipeline import base_models

    from burnish.service import main
    from svc_learner.app import Learner
    from svc_learner.config import LearnerSettings

    main("learner", LearnerSettings, lambda bus, s: Learner(bus, s, base_models(s)))
