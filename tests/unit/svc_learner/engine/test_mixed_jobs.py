"""Micro-batches of several jobs in one pass through the layers of their base."""

from collections.abc import Sequence

import pytest
import torch
from learner_kit import tiny_base

from svc_learner.algorithms.losses import LossConfig
from svc_learner.engine import head
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import join, pack
from svc_learner.engine.lora import Run
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy, Work, accumulate_many
from svc_learner.types import Sample

SFT = Objective("sft")
RL = Objective("rl", LossConfig("cispo", 1.0, 4.0), temperature=0.8)
LEASHED = Objective("rl", LossConfig("grpo", 0.2, 0.2, kl_weight=0.1))


def rows(first: int) -> list[Sample]:
    """Two prompts, three completions."""
    return [
        Sample((1, first, 2), (50, 51, 0), advantage=0.7, logprobs=(-4.0, -3.0, -5.0)),
        Sample((1, first, 2), (60, 0), advantage=-0.7, logprobs=(-4.5, -4.0)),
        Sample((1, first + 1, 42, 2), (61, 62, 63, 0), advantage=0.2, logprobs=(-5.0,) * 4),
    ]


def policy(base: BaseModel, rank: int, seed: int) -> Policy:
    made = Policy(base, rank=rank, alpha=8.0, seed=seed)
    made.start_stage(0.01)
    generator = torch.Generator().manual_seed(seed)
    for key, parameter in made.adapter.parameters.items():
        if "lora_B" in key:
            parameter.normal_(0, 0.1, generator=generator)
    made.adapter.changed()
    return made


def jobs(base: BaseModel) -> list[Work]:
    """Ranks, sizes and objectives of their own."""
    return [
        (policy(base, 4, 1), pack(rows(40), 99)[0], RL),
        (policy(base, 2, 2), pack(rows(30)[:2], 99)[0], LEASHED),
        (policy(base, 8, 3), pack(rows(20)[2:], 99)[0], SFT),
    ]


def gradients(work: Sequence[Work]) -> list[torch.Tensor]:
    return [made._sums[objective.sum_name] for made, _, objective in work]


def test_gradients_and_tallies_equal_those_of_each_job_alone(base: BaseModel) -> None:
    together, apart = jobs(base), jobs(tiny_base())
    tallies = accumulate_many(together)
    alone = [made.accumulate(batch, objective) for made, batch, objective in apart]
    torch.testing.assert_close(gradients(together), gradients(apart), atol=1e-5, rtol=1e-4)
    for found, wanted in zip(tallies, alone, strict=True):
        assert found.metrics(9) == pytest.approx(wanted.metrics(9), abs=1e-5)


def test_two_sums_of_one_job_share_a_pass(base: BaseModel) -> None:
    one, same = policy(base, 4, 1), policy(base, 4, 1)
    batch, replay = pack(rows(40), 99)[0], pack(rows(20), 99)[0]
    accumulate_many([(one, batch, RL), (one, replay, SFT), (one, replay, RL)])
    for each, objective in ((batch, RL), (replay, SFT), (replay, RL)):
        same.accumulate(each, objective)
    for name in ("rl", "sft"):
        torch.testing.assert_close(one._sums[name], same._sums[name], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_job_that_is_not_finite_changes_no_bit_of_another_s_gradient(
    base: BaseModel, broken: float
) -> None:
    healthy = jobs(base)
    accumulate_many(healthy)
    wanted = [gradient.clone() for gradient in gradients(healthy)]
    mixed = jobs(base)
    mixed[1][0].adapter.flat.detach().fill_(broken)
    mixed[1][0].adapter.changed()
    accumulate_many(mixed)
    found = gradients(mixed)
    assert torch.equal(found[0], wanted[0])
    assert torch.equal(found[2], wanted[2])
    assert not found[1].isfinite().all()


def test_a_pass_that_fails_leaves_all_gradients_as_they_were(
    base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = jobs(base)
    accumulate_many(work)
    before = [gradient.clone() for gradient in gradients(work)]
    real = head.token_losses

    def out_of_memory(objective: Objective, *rest: object) -> torch.Tensor:
        if objective is SFT:
            raise RuntimeError("can't allocate memory")
        return real(objective, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(head, "token_losses", out_of_memory)
    with pytest.raises(RuntimeError, match="memory"):
        accumulate_many(work)
    assert all(map(torch.equal, gradients(work), before))


def test_rows_in_no_run_see_the_bare_base(base: BaseModel) -> None:
    first, second = pack(rows(40), 99)[0], pack(rows(20), 99)[0]
    made = policy(base, 4, 1)
    pairs = made.adapter.pairs(torch.zeros_like(made.adapter.flat))
    with torch.no_grad():
        run = Run(0, len(first.tokens), pairs)
        adapted, bare = base.hidden_states(join([first, second]), [run]).split(
            [len(first.targets), len(second.targets)]
        )
        torch.testing.assert_close(bare, base.hidden_states(second), atol=1e-5, rtol=1e-4)
        assert not torch.allclose(adapted, base.hidden_states(first), atol=1e-2)
