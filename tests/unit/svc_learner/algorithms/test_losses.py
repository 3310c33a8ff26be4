"""Every loss, aggregation and weight against loops over plain numbers (`slow_losses`)."""

import math
import random
from collections.abc import Sequence

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slow_losses import Row, batch_loss, distance_to_edges, gradient

from burnish.stage_spec import CLIP_DEFAULTS, ImportanceName, LossName
from svc_learner.algorithms import losses
from svc_learner.algorithms.losses import LossConfig
from svc_learner.algorithms.metrics import Tally
from svc_learner.engine.batching import pack
from svc_learner.engine.objective import Columns, Objective, token_losses
from svc_learner.types import Sample

NAMES: tuple[LossName, ...] = ("cispo", "dapo", "dr_grpo", "grpo", "gspo")
MAX_TOKENS = 8


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, width=32)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    length = draw(st.integers(1, 4))
    logs = st.lists(numbers(-4, 0), min_size=length, max_size=length).map(tuple)
    maybe = st.one_of(numbers(-4, 0), st.just(math.nan))
    behaviour = st.lists(maybe, min_size=length, max_size=length).map(tuple)
    return Row(draw(logs), draw(behaviour), draw(logs), draw(numbers(-2, 2)))


@st.composite
def configs(draw: st.DrawFn, name: LossName) -> LossConfig:
    anchor, importance = draw(
        st.sampled_from(
            [
                ("sampler", "none"),
                ("trainer", "none"),
                ("trainer", "truncated"),
                ("trainer", "masked"),
            ]
        )
    )
    low, high = draw(st.sampled_from([CLIP_DEFAULTS[name], (0.2, 0.28), (0.5, 3.0)]))
    kl_weight = draw(st.sampled_from([0.0, 0.3]))
    return LossConfig(name, low, high, kl_weight, anchor, importance)


def fast(
    batch: Sequence[Row], config: LossConfig, parts: Sequence[Sequence[int]]
) -> tuple[float, list[list[float]], Tally]:
    """Loss, its gradient by each log pi, and what was measured, summed over micro-batches."""
    live = [torch.tensor(r.frozen, dtype=torch.float64, requires_grad=True) for r in batch]
    total, tally = torch.zeros((), dtype=torch.float64), Tally()
    for part in parts:
        micro = pack([_sample(i, batch[i], config) for i in part], 10**6)[0]
        order = [sample.prompt[0] for sample in micro.samples]
        logprobs = torch.cat([live[i] for i in order])
        base = torch.tensor([b for i in order for b in batch[i].base])
        columns = Columns.of(micro, logprobs.device, base if config.kl_weight else None)
        if config.compares_sequences:
            ratios = losses.log_ratio(logprobs.detach(), columns.behaviour)
            columns = columns.with_sequences(ratios, torch.from_numpy(micro.owner))
        found = Tally(tokens=len(logprobs))
        total = total + token_losses(Objective("rl", config), columns, logprobs, found).sum()
        tally.add(found)
    divisor = sum(losses.denominator(config.name, len(r.frozen), MAX_TOKENS) for r in batch)
    (total / divisor).backward()
    return float(total.detach()) / divisor, [p.grad.tolist() for p in live], tally


def _sample(number: int, row: Row, config: LossConfig) -> Sample:
    return Sample(
        prompt=(number,),
        tokens=(1,) * len(row.frozen),
        weight=losses.token_weight(config.name, len(row.frozen)),
        advantage=row.advantage,
        logprobs=row.behaviour,
    )


def whole(batch: Sequence[Row]) -> list[range]:
    return [range(len(batch))]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50)
@given(data=st.data(), batch=st.lists(rows(), min_size=1, max_size=4))
def test_loss_and_gradient_equal_the_papers_sums(
    name: LossName, data: st.DataObject, batch: list[Row]
) -> None:
    config = data.draw(configs(name))
    assume(distance_to_edges(batch, config) > 1e-4)
    loss, grads, _ = fast(batch, config, whole(batch))
    live = [row.frozen for row in batch]
    assert loss == pytest.approx(batch_loss(batch, live, config, MAX_TOKENS), rel=1e-5, abs=1e-6)
    for found, wanted in zip(grads, gradient(batch, config, MAX_TOKENS), strict=True):
        assert found == pytest.approx(wanted, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50)
@given(data=st.data(), batch=st.lists(rows(), min_size=2, max_size=5))
def test_however_a_batch_is_split_and_ordered_the_sums_are_the_same(
    name: LossName, data: st.DataObject, batch: list[Row]
) -> None:
    config = data.draw(configs(name))
    order = data.draw(st.permutations(range(len(batch))))
    cut = data.draw(st.integers(1, len(batch) - 1))
    loss, grads, tally = fast(batch, config, whole(batch))
    other, others, split = fast(batch, config, [order[:cut], order[cut:]])
    assert other == pytest.approx(loss, rel=1e-6, abs=1e-9)
    for found, wanted in zip(others, grads, strict=True):
        assert found == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert split.metrics(1.0) == pytest.approx(tally.metrics(1.0), rel=1e-5, abs=1e-6)


def test_on_policy_all_losses_have_the_policy_gradient() -> None:
    batch = [Row((-1.0, -2.0), (-1.0, -2.0), (0.0, 0.0), 0.5)]
    for name in NAMES:
        _, grads, tally = fast(batch, LossConfig(name, *CLIP_DEFAULTS[name]), whole(batch))
        share = 1 / MAX_TOKENS if name == "dr_grpo" else 1 / 2
        assert grads[0] == pytest.approx([-0.5 * share] * 2)
        assert tally.metrics(1)["ratio/effective_samples"] == pytest.approx(1)


def gradient_of(row: Row, config: LossConfig) -> list[float]:
    return fast([row], config, [[0]])[1][0]


def test_a_good_token_beyond_the_upper_bound_learns_by_cispo_only() -> None:
    row = Row((0.0,), (-3.0,), (0.0,), 1.0)  # ratio 20
    assert gradient_of(row, LossConfig("grpo", 0.2, 0.2)) == [0]
    assert gradient_of(row, LossConfig("dapo", 0.2, 0.28)) == [0]
    assert gradient_of(row, LossConfig("cispo", 1.0, 4.0)) == [-5.0]


def test_dapo_leaves_room_above_that_grpo_does_not() -> None:
    row = Row((0.0,), (-0.22,), (0.0,), 1.0)  # ratio 1.246
    assert gradient_of(row, LossConfig("grpo", *CLIP_DEFAULTS["grpo"])) == [0]
    assert gradient_of(row, LossConfig("dapo", *CLIP_DEFAULTS["dapo"]))[0] < -1


def test_gspo_clips_completions_not_tokens() -> None:
    balanced = Row((0.0, -3.0), (-1.0, -2.0), (0.0, 0.0), 1.0)  # ratios e and 1/e, mean 1
    assert gradient_of(balanced, LossConfig("gspo", 3e-4, 4e-4)) == pytest.approx([-0.5, -0.5])
    risen = Row((0.0, -2.0), (-1.0, -2.0), (0.0, 0.0), 1.0)  # ratios e and 1
    assert gradient_of(risen, LossConfig("gspo", 3e-4, 4e-4)) == [0, 0]
    assert gradient_of(risen, LossConfig("grpo", 0.2, 0.2)) == pytest.approx([0, -0.5])


@pytest.mark.parametrize(
    ("importance", "weights", "cut"), [("truncated", [0.25, 2, 1], 1), ("masked", [0, 0, 1], 2)]
)
def test_importance_weights_and_the_tokens_that_they_cut(
    importance: ImportanceName, weights: list[float], cut: int
) -> None:
    """A masked token keeps its place in the divisor: the third is not inflated."""
    mu = (math.log(4), -math.log(8), math.nan)
    row = Row((0.0, 0.0, 0.0), mu, (0.0, 0.0, 0.0), 1.0)  # rho 1/4, 8, unknown
    config = LossConfig("dapo", 0.2, 0.28, anchor="trainer", importance=importance)
    _, grads, tally = fast([row], config, [[0]])
    assert grads[0] == pytest.approx([-w / 3 for w in weights])
    found = tally.metrics(1)
    assert found["correction_fraction"] == pytest.approx(cut / 3)
    ratios = [0.25, 8, 1]
    share = sum(ratios) ** 2 / (3 * sum(r * r for r in ratios))
    assert found["ratio/effective_samples"] == pytest.approx(share)
    assert (found["ratio/min"], found["ratio/max"]) == pytest.approx((0.25, 8))


@pytest.mark.parametrize("importance", ["truncated", "masked"])
def test_a_gap_is_never_corrected_twice(importance: ImportanceName) -> None:
    with pytest.raises(ValueError, match="already"):
        LossConfig("cispo", 1.0, 4.0, importance=importance)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sampled", [math.nan, -math.inf, math.inf, 0.0, -900.0])
@pytest.mark.parametrize("learned", [0.0, -900.0])
def test_no_log_probability_makes_a_loss_or_gradient_that_is_not_finite(
    name: LossName, sampled: float, learned: float
) -> None:
    row = Row((learned, -1.0), (sampled, -1.0), (-900.0, 0.0), -1.0)
    for config in (
        LossConfig(name, *CLIP_DEFAULTS[name], kl_weight=0.1),
        LossConfig(name, *CLIP_DEFAULTS[name], anchor="trainer", importance="truncated"),
    ):
        loss, grads, tally = fast([row], config, [[0]])
        assert math.isfinite(loss)
        assert all(map(math.isfinite, grads[0]))
        assert all(map(math.isfinite, tally.metrics(1).values()))


def test_an_unknown_behaviour_counts_as_on_policy() -> None:
    logp = torch.tensor([-1.0, -2.0, -3.0], requires_grad=True)
    ratio = losses.log_ratio(logp, torch.tensor([math.nan, -math.inf, math.inf])).exp()
    assert torch.equal(ratio, torch.ones(3))
    ratio.sum().backward()
    assert torch.equal(logp.grad, torch.ones(3)), "and learns like an on-policy token"


def test_k3_estimates_the_kl_divergence_without_bias() -> None:
    generator = torch.Generator().manual_seed(0)
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.5, 0.3, 0.2])
    drawn = torch.multinomial(p, 200_000, replacement=True, generator=generator)
    estimate = losses.k3(p.log()[drawn], q.log()[drawn])
    assert (estimate >= -1e-6).all()
    assert estimate.mean().item() == pytest.approx((p * (p / q).log()).sum().item(), rel=0.02)


def test_truncated_weights_recover_the_expectation_under_the_trainer() -> None:
    """Samples of mu, weighted by pi / mu, average to what samples of pi average to."""
    rng = random.Random(0)
    mu, pi, value = [0.6, 0.3, 0.1], [0.4, 0.4, 0.2], [1.0, -2.0, 5.0]
    drawn = rng.choices(range(3), mu, k=50_000)
    gap = torch.tensor([pi[i] / mu[i] for i in drawn])
    config = LossConfig("dapo", 0.2, 0.2, anchor="trainer", importance="truncated")
    weight, cut = losses.importance(gap, config)
    assert not cut.any()
    found = (weight * torch.tensor([value[i] for i in drawn])).mean().item()
    assert found == pytest.approx(sum(p * v for p, v in zip(pi, value, strict=True)), abs=0.03)
