"""The real language model, for as few seconds as possible."""

from collections.abc import Iterator
from pathlib import Path

import peft_rows
import pytest
import torch
from transformers import AutoModelForCausalLM

from burnish.datasets import ChatMessage
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
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


def policy(base: BaseModel) -> Policy:
    made = Policy(base, rank=8, alpha=16, seed=0)
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
    whole = policy(smollm2)
    losses = train(whole, rows, 4)
    assert losses[-1] < 0.5 * losses[0]

    part = policy(smollm2)
    train(part, rows, 2)
    resumed = policy(smollm2)
    resumed.adapter.load(part.adapter.save())
    resumed.load_optimizer_state(part.optimizer_state())
    train(resumed, rows, 2)
    assert resumed.adapter.save() == whole.adapter.save()


@pytest.mark.parametrize(
    ("dtype", "tolerance", "share"), [("float32", 2e-4, 1e-3), ("bfloat16", 0.5, 0.15)]
)
def test_packed_rows_equal_peft_s_padded_rows(
    dtype: str, tolerance: float, share: float, model_dir: Path, tmp_path: Path
) -> None:
    """bfloat16 moves either side's log-probabilities by 0.04 on average, and by 0.5 at worst."""
    base = BaseModel.load(model_dir.name, model_dir, device="cpu", dtype=dtype, threads=1)
    made = policy(base)
    train(made, samples(base), 1)
    plain = AutoModelForCausalLM.from_pretrained(model_dir, dtype=getattr(torch, dtype))
    twin = peft_rows.twin(made, plain, tmp_path)
    batch = pack(samples(base), 512)[0]
    wanted = torch.cat(peft_rows.logprobs(twin, batch.samples)).detach()
    torch.testing.assert_close(made.logprobs(batch), wanted, atol=tolerance, rtol=tolerance)
    made.accumulate(batch, SFT)
    slow = peft_rows.gradients(twin, batch.samples, lambda _, logprobs: -logprobs.sum())
    found = made._sums["sft"]
    expected = torch.cat([slow[key].flatten() for key in made.adapter.parameters])
    assert (found - expected).norm() < share * expected.norm()
    base.close()


def test_a_demonstration_ends_the_turn(smollm2: BaseModel) -> None:
    assert smollm2.completion_tokens("hi")[-1] == smollm2.tokenizer.eos_token_id
    prompt = smollm2.tokenizer.decode(list(smollm2.prompt_tokens([ChatMessage("user", "hi")])))
    assert prompt.endswith("<|im_start|>assistant\n")
