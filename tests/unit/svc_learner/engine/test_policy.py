"""Training arithmetic on a tiny model, against plain autograd where it matters."""

import math
from functools import partial
from pathlib import Path

import peft_rows
import pytest
import torch
from learner_kit import tiny_base, tiny_model

from burnish.errors import UserError
from svc_learner.algorithms.losses import LossConfig
from svc_learner.engine import head
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import BETAS, Policy
from svc_learner.types import Sample

CISPO = LossConfig("cispo", 1.0, 4.0)
SFT = Objective("sft")
RL = Objective("rl", CISPO)
ROWS = [
    Sample((1, 40, 2), (50, 51, 0), advantage=0.7, logprobs=(-4.0, -3.0, -5.0)),
    Sample((1, 40, 2), (60, 0), advantage=-0.7, logprobs=(-4.5, -4.0)),
    Sample((1, 41, 42, 2), (61, 62, 63, 0), advantage=0.2, logprobs=(-5.0,) * 4),
]


def policy(base: BaseModel, seed: int = 0) -> Policy:
    made = Policy(base, rank=4, alpha=8.0, seed=seed)
    made.start_stage(0.01)
    return made


def awaken(made: Policy) -> None:
    """LoRA starts as the identity; give B weights so that A has gradients as well."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, parameter in made.adapter.parameters.items():
            if "lora_B" in key:
                parameter.normal_(0, 0.1, generator=generator)
    made.adapter.changed()


def grads(made: Policy, name: str) -> dict[str, torch.Tensor]:
    return made.adapter.views(made._sums[name].clone())


def row_loss(loss: LossConfig, row: Sample, logprobs: torch.Tensor) -> torch.Tensor:
    logs = logprobs - torch.tensor(row.logprobs)
    if loss.name == "gspo":
        ratio = logs.mean().exp()
        bounded = ratio.clamp(1 - loss.clip_low, 1 + loss.clip_high)
        return -torch.minimum(ratio * row.advantage, bounded * row.advantage) * len(row.tokens)
    weight = logs.detach().exp().clamp(1 - loss.clip_low, 1 + loss.clip_high)
    return -(weight * row.advantage * logprobs).sum()


@pytest.mark.parametrize("temperature", [1.0, 0.6])
@pytest.mark.parametrize("loss", [CISPO, LossConfig("gspo", 0.9, 9.0)], ids=lambda c: c.name)
def test_packed_chunked_gradients_equal_peft_s_on_padded_rows(
    base: BaseModel,
    loss: LossConfig,
    temperature: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(head, "ROWS", 2)  # completions are cut between chunks
    made = policy(base)
    awaken(made)
    for batch in pack(ROWS, 8):
        made.accumulate(batch, Objective("rl", loss, temperature))
    twin = peft_rows.twin(made, tiny_model(), tmp_path)
    wanted = peft_rows.gradients(twin, ROWS, partial(row_loss, loss), temperature)
    torch.testing.assert_close(grads(made, "rl"), wanted, atol=1e-5, rtol=1e-4)


def test_the_mixture_divides_each_sum_by_its_own_share(base: BaseModel) -> None:
    made = policy(base)
    for batch in pack(ROWS, 99):
        made.accumulate(batch, RL)
        made.accumulate(batch, SFT)
    mixed = made._sums["rl"] / 9 + made._sums["sft"] * 0.3 / 5
    norm = made.step({"rl": 1 / 9, "sft": 0.3 / 5})
    assert norm == pytest.approx(float(mixed.norm()), rel=1e-4)


def test_a_gradient_above_the_bound_is_scaled_down_to_it(base: BaseModel) -> None:
    made = Policy(base, rank=4, alpha=8.0, seed=0)
    made.start_stage(0.01, max_grad_norm=0.001)
    made.accumulate(pack(ROWS, 99)[0], SFT)
    assert made.step({"sft": 1.0}) > 0.001, "the norm before clipping"
    assert made._optimizer is not None
    [state] = made._optimizer.state.values()
    taken = state["exp_avg"].norm() / (1 - BETAS[0])  # after one step
    assert taken.item() == pytest.approx(0.001, rel=1e-3)


def test_the_rate_scales_the_step(base: BaseModel) -> None:
    moved = []
    for rate in (1.0, 0.25):
        made = policy(base)
        before = made.adapter.flat.detach().clone()
        made.accumulate(pack(ROWS, 99)[0], SFT)
        made.step({"sft": 1 / 9}, rate)
        moved.append(made.adapter.flat.detach() - before)
    torch.testing.assert_close(moved[1], 0.25 * moved[0], atol=1e-6, rtol=1e-3)


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
    first = policy(base)
    alone = policy(tiny_base())
    second = policy(base, seed=1)
    for _ in range(2):
        for made, share in ((first, 0.1), (alone, 0.1), (second, 0.2)):
            made.accumulate(batch, RL)
            made.step({"rl": share})
    assert first.adapter.save() == alone.adapter.save()


def test_equal_seeds_give_equal_adapters(base: BaseModel) -> None:
    first, same = policy(base, seed=3), policy(base, seed=3)
    assert first.adapter.save() == same.adapter.save()
    assert first.adapter.save() != policy(base, seed=4).adapter.save()


def test_a_gradient_that_is_not_finite_stops_before_it_spoils_the_weights(base: BaseModel) -> None:
    made = policy(base)
    before = made.adapter.save()
    broken = Sample((1, 2), (3, 0), advantage=math.inf, logprobs=(-1.0, -1.0))
    made.accumulate(pack([broken], 99)[0], RL)
    with pytest.raises(UserError, match="not finite"):
        made.step({"rl": 1.0})
    assert made.adapter.save() == before


def test_an_adapter_of_another_shape_is_refused(base: BaseModel) -> None:
    small = Policy(base, rank=2, alpha=4.0, seed=0)
    with pytest.raises(UserError, match="does not fit"):
        policy(base).adapter.load(small.adapter.save())
