"""Training arithmetic on a tiny model, against plain autograd where it matters."""

import math
from typing import Any

import pytest
import torch
from learner_kit import tiny_base

from burnish.errors import UserError
from svc_learner import losses
from svc_learner.base import BaseModel
from svc_learner.batching import pack
from svc_learner.losses import LossConfig
from svc_learner.policy import Objective, Policy
from svc_learner.types import Sample

CISPO = LossConfig("cispo", 1.0, 4.0)
SFT = Objective("sft")
RL = Objective("rl", CISPO)
ROWS = [
    Sample((1, 40, 2), (50, 51, 0), advantage=0.7, logprobs=(-4.0, -3.0, -5.0)),
    Sample((1, 40, 2), (60, 0), advantage=-0.7, logprobs=(-4.5, -4.0)),
    Sample((1, 41, 42, 2), (61, 62, 63, 0), advantage=0.2, logprobs=(-5.0,) * 4),
]


def policy(base: BaseModel, name: str = "job", seed: int = 0) -> Policy:
    made = Policy(base, name, rank=4, alpha=8.0, seed=seed)
    made.start_stage(0.01)
    return made


def awaken(made: Policy) -> None:
    """LoRA starts as the identity; give B weights so that A has gradients as well."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, parameter in made.adapter.parameters.items():
            if "lora_B" in key:
                parameter.normal_(0, 0.1, generator=generator)


def grads(made: Policy, name: str) -> list[torch.Tensor]:
    return [grad.clone() for grad in made._sums[name]]


def slow_gradients(base: BaseModel, made: Policy, rows: list[Sample]) -> list[Any]:
    """One full row at a time, all logits, plain autograd."""
    made.adapter.activate()
    total = torch.zeros(())
    for row in rows:
        ids = torch.tensor([[*row.prompt, *row.tokens]])
        logits = base.model(input_ids=ids, use_cache=False).logits[0, len(row.prompt) - 1 : -1]
        logprobs = logits.log_softmax(-1)[range(len(row.tokens)), row.tokens]
        a = torch.full((len(row.tokens),), row.advantage)
        total = total + losses.cispo(logprobs, torch.tensor(row.logprobs), a, CISPO).loss.sum()
    return list(torch.autograd.grad(total, list(made.adapter.parameters.values())))


def test_packed_chunked_gradients_equal_plain_autograd(base: BaseModel) -> None:
    made = policy(base)
    awaken(made)
    for batch in pack(ROWS, 8):
        made.accumulate(batch, RL)
    for found, wanted in zip(grads(made, "rl"), slow_gradients(base, made, ROWS), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_the_mixture_divides_each_sum_by_its_own_share(base: BaseModel) -> None:
    made = policy(base)
    for batch in pack(ROWS, 99):
        made.accumulate(batch, RL)
        made.accumulate(batch, SFT)
    rl, sft = grads(made, "rl"), grads(made, "sft")
    mixed = [r / 9 + s * 0.3 / 5 for r, s in zip(rl, sft, strict=True)]
    norm = made.step({"rl": 1 / 9, "sft": 0.3 / 5})
    assert norm == pytest.approx(math.sqrt(sum(float((m**2).sum()) for m in mixed)), rel=1e-4)


def test_supervised_steps_lower_the_loss(base: BaseModel) -> None:
    made = policy(base)
    seen = []
    for _ in range(8):
        tally = made.accumulate(pack(ROWS, 99)[0], SFT)
        made.step({"sft": 1 / tally.tokens})
        seen.append(tally.loss / tally.tokens)
    assert seen[-1] < 0.8 * seen[0]


def test_on_policy_ratio_is_one_and_mismatch_zero(base: BaseModel) -> None:
    made = policy(base)
    plain = pack([ROWS[0]], 99)[0]
    mu = made.logprobs(plain, temperature=0.7)
    batch = pack([Sample(ROWS[0].prompt, ROWS[0].tokens, 1.0, 1.0, tuple(mu.tolist()))], 99)[0]
    found = made.accumulate(batch, Objective("rl", CISPO, temperature=0.7)).metrics(3)
    assert found["ratio/min"] == pytest.approx(1, abs=1e-4)
    assert found["ratio/max"] == pytest.approx(1, abs=1e-4)
    assert found["k3/mismatch"] == pytest.approx(0, abs=1e-6)
    wrong = made.accumulate(batch, Objective("rl", CISPO)).metrics(3)
    assert wrong["k3/mismatch"] > 1e-3, "temperature not mirrored"


def test_kl_to_the_base_is_zero_before_training_and_pulls_back_after(base: BaseModel) -> None:
    made = policy(base)
    leash = Objective("rl", LossConfig("cispo", 1.0, 4.0, kl_weight=0.1))
    batch = pack(ROWS, 99)[0]
    assert made.accumulate(batch, leash).kl == pytest.approx(0, abs=1e-5)
    awaken(made)
    assert made.accumulate(batch, leash).kl > 1e-3


def test_checkpoint_and_resume_equal_the_uninterrupted_run() -> None:
    def train(made: Policy, steps: int) -> None:
        for _ in range(steps):
            for batch in pack(ROWS, 8):
                made.accumulate(batch, RL)
            made.step({"rl": 1 / 9})

    whole = policy(tiny_base())
    train(whole, 5)
    part = policy(tiny_base())
    train(part, 2)
    adapter, optimizer = part.adapter.save(), part.optimizer_state()
    resumed = policy(tiny_base(), seed=99)
    resumed.adapter.load(adapter)
    resumed.load_optimizer_state(optimizer)
    train(resumed, 3)
    assert resumed.adapter.save() == whole.adapter.save()
    assert resumed.optimizer_state() == whole.optimizer_state()


def test_jobs_on_one_base_do_not_touch_each_other(base: BaseModel) -> None:
    batch = pack(ROWS, 99)[0]
    first = policy(base, "first")
    alone = policy(tiny_base(), "first")
    second = policy(base, "second", seed=1)
    for _ in range(2):
        for made, share in ((first, 0.1), (alone, 0.1), (second, 0.2)):
            made.accumulate(batch, RL)
            made.step({"rl": share})
    assert first.adapter.save() == alone.adapter.save()
    second.adapter.remove()
    first.accumulate(batch, RL)


def test_equal_seeds_give_equal_adapters(base: BaseModel) -> None:
    first, same = policy(base, "one", seed=3), policy(base, "two", seed=3)
    assert first.adapter.save() == same.adapter.save()
    assert first.adapter.save() != policy(base, "three", seed=4).adapter.save()


def test_a_gradient_that_is_not_finite_stops_before_it_spoils_the_weights(base: BaseModel) -> None:
    made = policy(base)
    before = made.adapter.save()
    broken = Sample((1, 2), (3, 0), advantage=math.inf, logprobs=(-1.0, -1.0))
    made.accumulate(pack([broken], 99)[0], RL)
    with pytest.raises(UserError, match="not finite"):
        made.step({"rl": 1.0})
    assert made.adapter.save() == before


def test_an_adapter_of_another_shape_is_refused(base: BaseModel) -> None:
    small = Policy(base, "small", rank=2, alpha=4.0, seed=0)
    with pytest.raises(UserError, match="does not fit"):
        policy(base, "large").adapter.load(small.adapter.save())
