import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.examples.judging import EXAMPLES, Judge, ReadRows


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    judge = Judge()
    yield judge
    judge.stop()


@pytest.fixture
def read_rows() -> ReadRows:
    return lambda file: [
        json.loads(line) for line in (EXAMPLES / file).read_text(encoding="utf-8").splitlines()
    ]


@pytest.fixture
def examples() -> Path:
    return EXAMPLES
