from collections.abc import Iterator

import pytest
from learner_kit import tiny_base

from svc_learner.engine.base import BaseModel


@pytest.fixture
def base() -> Iterator[BaseModel]:
    model = tiny_base()
    yield model
    model.close()
