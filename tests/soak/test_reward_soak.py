"""A thousand evaluations in a row, a quarter of them hostile: none is wrong and nothing grows."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from svc_reward.config import RewardSettings
from svc_reward.sandbox import open_backend

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "reward_soak.py"


FEW = 10
"""Lanes that may be replaced: a sweep that is not proven on a busy machine costs one, and no score."""


def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reward_soak", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["reward_soak"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("sandbox", [pytest.param("docker", marks=pytest.mark.docker), "process"])
def test_nothing_grows(sandbox: str) -> None:
    backend = open_backend(RewardSettings(sandbox=sandbox))
    try:
        report = script().soak(backend, 1000)
    finally:
        backend.close()
    assert (report.wrong, report.infrastructure) == (0, 0), report
    assert report.recycled <= FEW, report
    assert report.flat, report
