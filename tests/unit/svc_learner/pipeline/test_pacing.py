import random
from dataclasses import replace

import pytest

from svc_learner.pipeline.pacing import BARREN_BATCHES, Pacing, is_stale

PACING = Pacing(batch=4, steps=10, max_staleness=1, max_concurrent=100)


def test_the_formula_of_admission_control() -> None:
    assert PACING.capacity(step=0, used=0, ready=0, running=0) == 8
    assert PACING.capacity(step=0, used=3, ready=1, running=4) == 0
    assert PACING.capacity(step=5, used=0, ready=2, running=3) == 3


def test_a_filtered_group_gives_its_place_back() -> None:
    full = PACING.capacity(step=2, used=1, ready=0, running=7)
    assert full == 0
    assert PACING.capacity(step=2, used=1, ready=0, running=6) == 1


def test_nothing_is_sampled_beyond_the_end() -> None:
    assert PACING.capacity(step=9, used=1, ready=0, running=2) == 1
    assert PACING.capacity(step=9, used=1, ready=0, running=3) == 0


def test_concurrency_is_bounded() -> None:
    narrow = Pacing(batch=4, steps=10, max_staleness=8, max_concurrent=5)
    assert narrow.capacity(step=0, used=0, ready=0, running=3) == 2


@pytest.mark.parametrize("max_staleness", [0, 1, 3])
@pytest.mark.parametrize("useless", [0.0, 0.6])
def test_paced_groups_are_never_stale_whatever_the_latencies(
    max_staleness: int, useless: float
) -> None:
    """Pacing alone keeps the bound when groups are used oldest first."""
    rng = random.Random(max_staleness)
    pacing = Pacing(batch=3, steps=40, max_staleness=max_staleness, max_concurrent=50)
    running: list[int] = []
    ready: list[int] = []
    step = used = 0
    for _ in range(20_000):
        free = pacing.capacity(step=step, used=used, ready=len(ready), running=len(running))
        running += [step] * free
        if running:
            version = running.pop(rng.randrange(len(running)) if max_staleness else 0)
            if rng.random() >= useless:
                ready.append(version)
        if ready:
            version = ready.pop(ready.index(min(ready)))
            if not is_stale(step, version, max_staleness):
                used += 1
        if pacing.cut(used=used, unusable=0):
            step, used = step + 1, 0
        if step == pacing.steps:
            break
    assert step == pacing.steps, "no deadlock"


def test_the_sweep_is_exact() -> None:
    assert not is_stale(5, 3, 2)
    assert is_stale(6, 3, 2)


def test_resampling_is_capped() -> None:
    assert PACING.cut(used=4, unusable=0)
    assert not PACING.cut(used=3, unusable=11)
    assert PACING.cut(used=1, unusable=12)
    assert not PACING.cut(used=0, unusable=12)
    assert replace(PACING, max_resample=0.5).cut(used=1, unusable=2)
    assert PACING.barren(BARREN_BATCHES * 4)
