"""The real language model, for as few seconds as possible."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from burnish.datasets import ChatMessage
from svc_learner.base import BaseModel
from svc_learner.batching import pack
from svc_learner.policy import Objective, Policy
from svc_learner.types import Sample

pytestmark = pytest.mark.model
SFT = Objective("sft")
PAIRS = (("Say the colour of snow.", "white"), ("Say the colour of coal.", "black"))


@pytest.fixture(scope="module")
def smollm2(model_dir: Path) -> Iterator[BaseModel]:
    torch.set_num_threads(1)
    base = BaseModel.load(model_dir.name, model_dir, device="cpu", dtype="float32", threads=1)
    yield base
    base.close()


def samples(base: BaseModel) -> list[Sample]:
    return [
        Sample(base.prompt_tokens([ChatMessage("user", ask)]), base.completion_tokens(answer))
        for ask, answer in PAIRS
    ]


def policy(base: BaseModel, name: str) -> Policy:
    made = Policy(base, name, rank=8, alpha=16, seed=0)
    made.start_stage(1e-3)
    return made


def train(made: Policy, rows: list[Sample], steps: int) -> list[float]:
    losses = []
    for _ in range(steps):
        tally = made.accumulate(pack(rows, 512)[0], SFT)
        made.step({"sft": 1 / tally.tokens})
        losses.append(tally.loss / tally.tokens)
    return losses


def test_demonstrations_are_learned_and_a_resumed_run_ends_in_the_same_bytes(
    smollm2: BaseModel,
) -> None:
    rows = samples(smollm2)
    whole = policy(smollm2, "whole")
    losses = train(whole, rows, 4)
    assert losses[-1] < 0.5 * losses[0]

    part = policy(smollm2, "part")
    train(part, rows, 2)
    resumed = policy(smollm2, "resumed")
    resumed.adapter.load(part.adapter.save())
    resumed.load_optimizer_state(part.optimizer_state())
    train(resumed, rows, 2)
    assert resumed.adapter.save() == whole.adapter.save()
    for made in (whole, part, resumed):
        made.adapter.remove()


def test_packed_logprobs_equal_those_of_separate_rows(smollm2: BaseModel) -> None:
    made = policy(smollm2, "packed")
    together = made.logprobs(pack(samples(smollm2), 512)[0])
    alone = [made.logprobs(pack([sample], 512)[0]) for sample in samples(smollm2)]
    order = pack(samples(smollm2), 512)[0].samples
    wanted = {s.tokens: a for s, a in zip(samples(smollm2), alone, strict=True)}
    torch.testing.assert_close(
        together, torch.cat([wanted[s.tokens] for s in order]), atol=2e-4, rtol=1e-4
    )
    made.adapter.remove()


def test_a_demonstration_ends_the_turn(smollm2: BaseModel) -> None:
    assert smollm2.completion_tokens("hi")[-1] == smollm2.tokenizer.eos_token_id
    prompt = smollm2.tokenizer.decode(list(smollm2.prompt_tokens([ChatMessage("user", "hi")])))
    assert prompt.endswith("<|im_start|>assistant\n")
