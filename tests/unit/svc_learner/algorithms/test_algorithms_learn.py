"""Every algorithm raises the reward of a tiny model that samples for itself, up to a step late."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

import pytest
import torch
from torch import Tensor

from burnish.stage_spec import RlStage
from svc_learner.algorithms import losses
from svc_learner.algorithms.advantages import judge
from svc_learner.algorithms.contribution import contribution
from svc_learner.algorithms.losses import LossConfig
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.lora import Run
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.types import Completion, Sample

Ids = tuple[int, ...]

PROMPTS: Sequence[Ids] = ((1, 40, 2), (1, 41, 42, 2))
GOOD = range(32, 64)
"""A quarter of the vocabulary. A completion is worth the share of its tokens that are good."""
GROUP, LENGTH, TEMPERATURE = 8, 4, 0.9
LATE = 2
"""Steps that one policy's samples are learned from."""


def next_tokens(made: Policy, prefixes: Sequence[Ids]) -> Mapping[Ids, Tensor]:
    """[V] log-probabilities after each prefix."""
    batch = pack([Sample(prefix, (0,)) for prefix in set(prefixes)], 10_000)[0]
    run = Run(0, len(batch.tokens), made.adapter.pairs(torch.empty_like(made.adapter.flat)))
    with torch.no_grad():
        hidden = made.base.hidden_states(batch, [run])
        found = made.base.head.logits(hidden, TEMPERATURE).log_softmax(-1)
    return {sample.prompt: row for sample, row in zip(batch.samples, found, strict=True)}


def sample(made: Policy, version: int, draws: torch.Generator) -> list[list[Completion]]:
    """A group for each prompt, all drawn side by side."""
    prompts = [prompt for prompt in PROMPTS for _ in range(GROUP)]
    tokens: list[Ids] = [()] * len(prompts)
    logs: list[tuple[float, ...]] = [()] * len(prompts)
    for _ in range(LENGTH):
        known = next_tokens(made, [p + t for p, t in zip(prompts, tokens, strict=True)])
        found = torch.stack([known[p + t] for p, t in zip(prompts, tokens, strict=True)])
        drawn = torch.multinomial(found.exp(), 1, generator=draws)
        chosen = found.gather(1, drawn)[:, 0].tolist()
        tokens = [(*t, token) for t, token in zip(tokens, drawn[:, 0].tolist(), strict=True)]
        logs = [(*known, log) for known, log in zip(logs, chosen, strict=True)]
    members = [
        _completion(i, *each) for i, each in enumerate(zip(prompts, tokens, logs, strict=True))
    ]
    members = [replace(member, policy_version=version) for member in members]
    return [members[start : start + GROUP] for start in range(0, len(members), GROUP)]


def _completion(index: int, prompt: Ids, tokens: Ids, logs: tuple[float, ...]) -> Completion:
    return Completion(
        id=str(index),
        group_id="g",
        index=index,
        prompt=prompt,
        tokens=tokens,
        logprobs=logs,
        text="",
        truncated=False,
        policy_version=0,
        reward=sum(token in GOOD for token in tokens) / LENGTH,
    )


def train(base: BaseModel, config: RlStage, steps: int) -> list[float]:
    """Rewards, of one sampling round after the other."""
    made, draws = Policy(base, rank=4, alpha=8.0, seed=0), torch.Generator().manual_seed(0)
    made.start_stage(0.03)
    objective = Objective("rl", LossConfig.of(config), TEMPERATURE)
    rewards = []
    for step in range(0, steps, LATE):
        rounds = [sample(made, step, draws) for _ in range(LATE)]
        rewards.append(fmean(c.reward or 0.0 for groups in rounds for g in groups for c in g))
        for late, groups in enumerate(rounds):
            verdicts = [judge(g, config) for g in groups]
            shares = [contribution(v, config, step + late) for v in verdicts if not v.refusal]
            for batch in pack([s for share in shares for s in share.samples], 1000):
                made.accumulate(batch, objective)
            made.step({"rl": 1 / max(sum(share.divisor for share in shares), 1.0)})
    return rewards


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "cispo"},
        {"loss": "dapo"},
        {"loss": "dr_grpo"},
        {"loss": "grpo", "advantage": "standardized"},
        {"loss": "gspo", "clip_low": 0.5, "clip_high": 0.9},
        {"loss": "dapo", "anchor": "trainer", "importance": "truncated"},
        {"loss": "gspo", "anchor": "trainer", "importance": "masked"},
        {"loss": "cispo", "kl_weight": 0.01},
    ],
    ids=str,
)
def test_the_reward_rises(base: BaseModel, options: dict[str, object]) -> None:
    torch.set_num_threads(1)
    config = RlStage.model_validate({"sampling": {"max_tokens": LENGTH}} | options)
    rewards = train(base, config, 24)
    assert rewards[0] == pytest.approx(0.25, abs=0.12)
    assert fmean(rewards[-2:]) > 0.45, rewards


def test_a_loss_turned_round_would_lower_it(
    base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the tests above would miss if anything raised the reward."""
    known = losses.cispo

    def turned(
        ratio: Tensor, logprobs: Tensor, advantages: Tensor, config: LossConfig
    ) -> tuple[Tensor, Tensor]:
        return known(ratio, logprobs, -advantages, config)

    monkeypatch.setitem(losses._FORMS, "cispo", turned)  # type: ignore[arg-type]
    rewards = train(base, RlStage(), 12)
    assert fmean(rewards[-2:]) < 0.19, rewards
