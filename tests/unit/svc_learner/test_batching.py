"""Packed equals unpacked: logits, losses and gradients."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from svc_learner.base import BaseModel
from svc_learner.batching import pack
from svc_learner.types import Sample


def samples(seed: int, groups: int = 3, size: int = 4) -> list[Sample]:
    rng = random.Random(seed)

    def tokens(low: int, high: int) -> tuple[int, ...]:
        return tuple(rng.randrange(3, 128) for _ in range(rng.randint(low, high)))

    prompts = [tokens(2, 9) for _ in range(groups)]
    return [Sample(prompt, tokens(1, 7)) for prompt in prompts for _ in range(size)]


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), budget=st.integers(4, 80))
def test_every_sample_is_packed_once_within_the_budget(seed: int, budget: int) -> None:
    given_samples = samples(seed)
    batches = pack(given_samples, budget)
    packed = [sample for batch in batches for sample in batch.samples]
    assert sorted(map(repr, packed)) == sorted(map(repr, given_samples))
    for batch in batches:
        assert len(batch.tokens) <= budget or len(batch.samples) == 1
        targets = [t for sample in batch.samples for t in sample.tokens]
        assert batch.targets.tolist() == targets


def test_a_group_pays_for_its_prompt_once() -> None:
    batch = pack([Sample((5,) * 10, (6, 7, 0))] * 8, 512)[0]
    assert len(batch.tokens) == 10 + 8 * 2


def test_tokens_see_their_prompt_and_their_own_completion_only() -> None:
    batch = pack([Sample((1, 2), (3, 4, 0)), Sample((1, 2), (5, 6, 0)), Sample((9,), (8, 0))], 99)[
        0
    ]
    visible = batch.visible()
    for row in range(len(batch.tokens)):
        seen = [(int(batch.tree[c]), int(batch.branch[c])) for c in np.flatnonzero(visible[row])]
        own = (int(batch.tree[row]), int(batch.branch[row]))
        assert set(seen) <= {own, (own[0], -1)}
        assert len(seen) == batch.positions[row] + 1


@pytest.mark.parametrize("budget", [30, 500])
def test_packed_logits_equal_those_of_separate_rows(base: BaseModel, budget: int) -> None:
    for batch in pack(samples(7), budget):
        with torch.no_grad():
            packed = base.logits(base.hidden_states(batch))
        for index, sample in enumerate(batch.samples):
            ids = torch.tensor([[*sample.prompt, *sample.tokens]])
            with torch.no_grad():
                alone = base.model(input_ids=ids, use_cache=False).logits[0]
            wanted = alone[len(sample.prompt) - 1 : -1]
            torch.testing.assert_close(packed[batch.owner == index], wanted, atol=2e-5, rtol=1e-4)


def test_completions_without_tokens_are_left_out() -> None:
    assert pack([Sample((1,), ())], 10) == []
