import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from svc_learner import losses
from svc_learner.losses import LossConfig
from svc_learner.types import LossName

NAMES: tuple[LossName, ...] = ("grpo", "dr_grpo", "cispo")
number = st.floats(-3, 3)
token = st.tuples(st.floats(-5, 0), st.floats(-5, 0), number)


def reference(logp: float, mu: float, a: float, c: LossConfig) -> tuple[float, float]:
    """Loss and its derivative by logp, written down from the papers for one token."""
    r = math.exp(logp - mu)
    low, high = 1 - c.clip_low, 1 + c.clip_high
    bounded = min(max(r, low), high)
    if c.name == "cispo":
        return -bounded * a * logp, -bounded * a
    if r * a <= bounded * a:
        return -r * a, -r * a
    return -bounded * a, 0.0


def tensors(rows: list[tuple[float, float, float]]) -> tuple[Any, Any, Any]:
    logp, mu, a = (torch.tensor(c, dtype=torch.float64) for c in zip(*rows, strict=True))
    return logp.requires_grad_(), mu, a


@pytest.mark.parametrize("name", NAMES)
@given(rows=st.lists(token, min_size=1, max_size=8))
def test_loss_and_gradient_equal_the_formula(
    name: LossName, rows: list[tuple[float, float, float]]
) -> None:
    config = LossConfig(name, 1.0, 4.0) if name == "cispo" else LossConfig(name, 0.2, 0.28)
    logp, mu, a = tensors(rows)
    found = losses.policy_loss(logp, mu, a, config)
    found.loss.sum().backward()
    wanted = [reference(*row, config) for row in rows]
    np.testing.assert_allclose(found.loss.detach(), [w[0] for w in wanted], atol=1e-9)
    off_edge = [
        i
        for i, (p, m, _) in enumerate(rows)
        if min(abs(math.exp(p - m) - 0.8), abs(math.exp(p - m) - 1.28)) > 1e-6
    ]
    np.testing.assert_allclose(
        logp.grad[off_edge], np.array([w[1] for w in wanted])[off_edge], atol=1e-9
    )


def test_on_policy_all_losses_have_the_same_gradient() -> None:
    grads = []
    for name in NAMES:
        logp, mu, a = tensors([(-1.0, -1.0, 0.5), (-2.0, -2.0, -0.5)])
        losses.policy_loss(logp, mu, a, LossConfig(name, 0.2, 0.2)).loss.sum().backward()
        grads.append(logp.grad)
    assert torch.equal(grads[0], grads[1])
    assert torch.equal(grads[0], grads[2])


def test_cispo_keeps_a_bounded_gradient_where_clipping_drops_it() -> None:
    row = [(0.0, -3.0, 1.0)]  # ratio 20
    clipped, kept = tensors(row), tensors(row)
    losses.policy_loss(*clipped, LossConfig("grpo", 0.2, 0.2)).loss.sum().backward()
    losses.policy_loss(*kept, LossConfig("cispo", 1.0, 4.0)).loss.sum().backward()
    assert clipped[0].grad.item() == 0
    assert kept[0].grad.item() == -5.0


def test_unknown_behaviour_counts_as_on_policy_and_extremes_stay_finite() -> None:
    logp = torch.tensor([-1.0, -900.0, 0.0])
    mu = torch.tensor([math.nan, 0.0, -900.0])
    ratio = losses.ratio_of(logp, mu)
    assert ratio[0] == 1
    assert torch.isfinite(ratio).all()


def test_k3_estimates_the_kl_divergence_without_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.3, 0.2])
    drawn = torch.multinomial(p, 200_000, replacement=True, generator=generator)
    estimate = losses.k3(p.log()[drawn], q.log()[drawn])
    assert (estimate >= -1e-6).all()
    assert estimate.mean().item() == pytest.approx((p * (p / q).log()).sum().item(), rel=0.02)


def test_aggregation_over_pieces_equals_the_whole() -> None:
    """Sums of weighted token losses over summed denominators are each paper's mean."""
    rng = random.Random(1)
    batch = [[rng.gauss(0, 1) for _ in range(n)] for n in (1, 4, 2, 7)]
    wanted = {
        "grpo": np.mean([np.mean(c) for c in batch]),
        "dr_grpo": sum(map(sum, batch)) / (len(batch) * 16),
        "cispo": np.mean([t for c in batch for t in c]),
    }
    for name in NAMES:
        total = sum(losses.token_weight(name, len(c)) * sum(c) for c in batch)
        divisor = sum(losses.denominator(name, len(c), 16) for c in batch)
        assert total / divisor == pytest.approx(wanted[name])
