"""Packed equals unpacked: logits, losses and gradients."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from svc_learner.engine.batching import pack
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


def test_completions_without_tokens_are_left_out() -> None:
    assert pack([Sample((1,), ())], 10) == []
