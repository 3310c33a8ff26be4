"""Sampling against the definition."""

import math
from collections import Counter

import pytest
import torch

from svc_serve.cpu.sampler import BLOCK, Draw, sample, stream

LOGITS = torch.tensor([2.0, 1.0, 0.0, -1.0, -30.0])


def draw(uniform: float = 0.5, temperature: float = 1.0, top_p: float = 1.0) -> Draw:
    return Draw(temperature, top_p, uniform)


def test_greedy_takes_the_best_and_reports_the_models_own_probability() -> None:
    tokens, logprobs = sample(LOGITS.repeat(2, 1), [draw(0.99, temperature=0.0), draw(0.99)])
    assert tokens[0] == 0
    assert logprobs[0] == pytest.approx(LOGITS.log_softmax(-1)[0].item(), abs=1e-6)
    assert tokens[1] != 0


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax(temperature: float) -> None:
    draws = [draw((i + 0.5) / 4000, temperature) for i in range(4000)]
    tokens, logprobs = sample(LOGITS.repeat(4000, 1), draws)
    expected = (LOGITS / temperature).softmax(-1)
    counts = Counter(tokens)
    for token, probability in enumerate(expected.tolist()):
        assert counts[token] / 4000 == pytest.approx(probability, abs=1e-3)
    for token, logprob in zip(tokens, logprobs, strict=True):
        assert logprob == pytest.approx(math.log(expected[token]), abs=1e-5)


def test_top_p_keeps_the_smallest_set_and_renormalises() -> None:
    draws = [draw((i + 0.5) / 1000, top_p=0.7) for i in range(1000)]
    tokens, logprobs = sample(LOGITS.repeat(1000, 1), draws)
    kept = LOGITS[:2].softmax(-1)
    assert set(tokens) == {0, 1}
    assert logprobs[0] == pytest.approx(math.log(kept[tokens[0]]), abs=1e-5)
    only_best, logprob = sample(LOGITS.repeat(1, 1), [draw(0.999, top_p=0.01)])
    assert (only_best, logprob) == ([0], [pytest.approx(0.0, abs=1e-6)])


@pytest.mark.parametrize("vocab", [BLOCK - 1, BLOCK, 2 * BLOCK, 5 * BLOCK + 7])
def test_a_large_vocabulary_is_searched_as_one_running_sum_would(vocab: int) -> None:
    random = torch.Generator().manual_seed(vocab)
    logits = torch.randn(vocab, generator=random) * 3
    logits[torch.rand(vocab, generator=random) < 0.5] = -torch.inf
    sums = logits.double().softmax(-1).cumsum(-1)
    uniforms = torch.rand(2000, generator=random, dtype=torch.float64)
    tokens, logprobs = sample(logits.repeat(2000, 1), [draw(u) for u in uniforms.tolist()])
    expected = torch.searchsorted(sums, uniforms, right=True)
    same = torch.tensor(tokens) == expected
    assert same.float().mean() > 0.995  # a rounding away from an edge, the neighbour is as right
    edges = sums[torch.minimum(expected, torch.tensor(tokens))][~same]
    assert (edges - uniforms[~same]).abs().max() < 1e-6 if len(edges) else True
    assert logits[tokens].isfinite().all()
    assert logprobs == pytest.approx(logits.double().log_softmax(-1)[tokens].tolist(), abs=1e-5)


def test_the_ends_of_the_unit_interval_hit_tokens_of_positive_probability() -> None:
    logits = torch.tensor([-torch.inf, 0.0, -torch.inf]).repeat(2, 1)
    tokens, logprobs = sample(logits, [draw(0.0), draw(math.nextafter(1.0, 0.0))])
    assert tokens == [1, 1]
    assert logprobs == [0.0, 0.0]


def test_each_completion_has_a_stream_of_its_own() -> None:
    assert stream(7, 0).random() == stream(7, 0).random()
    assert stream(7, 0).random() != stream(7, 1).random()
    assert stream(None, 0).random() != stream(None, 0).random()
