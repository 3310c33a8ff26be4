"""Any decoder of linear layers trains as it does in transformers with PEFT."""

from collections.abc import Callable
from pathlib import Path

import peft_rows
import pytest
import torch
from learner_kit import Letters, tiny_model
from torch import Tensor
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GemmaConfig,
    GemmaForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    Lfm2Config,
    Lfm2ForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from burnish.errors import UserError
from svc_learner.engine import probe
from svc_learner.engine.adapter import WEIGHTS_FILE
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.norms import FrozenRmsNorm
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.state import archive
from svc_learner.types import Sample

ROWS = [
    Sample((1, 40, 2, 7, 9), (50, 51, 52, 53, 0)),
    Sample((1, 40, 2, 7, 9), (60, 0)),
    Sample((1, 41, 42, 2), (61, 62, 63, 0)),
]
SHAPE = {
    "vocab_size": 128,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
WINDOW = {"use_sliding_window": True, "sliding_window": 3, "max_window_layers": 1}
MODELS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": tiny_model,
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE)),
    "qwen2, window": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, **WINDOW)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE)),
    "gemma": lambda: GemmaForCausalLM(GemmaConfig(**SHAPE)),
}


def made(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    return MODELS[kind]().eval()


def trained(base: BaseModel) -> Policy:
    """Far enough from the identity that all matrices have gradients."""
    policy = Policy(base, rank=4, alpha=8.0, seed=0)
    generator = torch.Generator().manual_seed(5)
    for key, view in policy.adapter.parameters.items():
        if "lora_B" in key:
            view.normal_(0, 0.1, generator=generator)
    policy.adapter.changed()
    return policy


def cross_entropy(_: Sample, logprobs: Tensor) -> Tensor:
    return -logprobs.sum()


@pytest.mark.parametrize("kind", MODELS)
def test_logprobs_and_gradients_equal_peft_s(kind: str, tmp_path: Path) -> None:
    base = BaseModel(kind, made(kind), Letters())
    policy = trained(base)
    policy.start_stage(0.01)
    twin = peft_rows.twin(policy, made(kind), tmp_path)
    for batch in pack(ROWS, 12):
        policy.accumulate(batch, Objective("sft"))
        wanted = torch.cat(peft_rows.logprobs(twin, batch.samples)).detach()
        torch.testing.assert_close(policy.logprobs(batch), wanted, atol=1e-5, rtol=1e-4)
    gradients = policy.adapter.views(policy._sums["sft"])
    slow = peft_rows.gradients(twin, ROWS, cross_entropy)
    torch.testing.assert_close(gradients, slow, atol=2e-5, rtol=1e-3)
    base.close()


def test_norms_are_replaced_where_they_compute_what_their_name_says() -> None:
    def replaced(kind: str) -> int:
        base = BaseModel(kind, made(kind), Letters())
        base.close()
        return sum(isinstance(module, FrozenRmsNorm) for module in base.model.modules())

    assert replaced("llama") == 2 * 2 + 1
    assert replaced("qwen3") == 2 * 4 + 1
    assert replaced("gemma") == 0, "it multiplies by 1 + weight"


def test_attention_that_is_not_computed_here_is_refused() -> None:
    base = BaseModel("gemma2", Gemma2ForCausalLM(Gemma2Config(**SHAPE)).eval(), Letters())
    with pytest.raises(UserError, match="softcap"):
        base.hidden_states(pack(ROWS, 99)[0])
    base.close()


@pytest.mark.parametrize("kind", MODELS)
def test_packed_rows_of_what_can_be_trained_equal_separate_ones(kind: str) -> None:
    base = BaseModel(kind, made(kind), Letters())
    probe.check(base)
    base.close()


REFUSED: dict[str, tuple[Callable[[], PreTrainedModel], str]] = {
    "convolutions": (
        lambda: Lfm2ForCausalLM(Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"])),
        "into the next",
    ),
    "attention of its own": (
        lambda: BloomForCausalLM(BloomConfig(vocab_size=128, hidden_size=32, n_layer=2, n_head=4)),
        "a way of its own",
    ),
    "no linear layers": (
        lambda: GPT2LMHeadModel(
            GPT2Config(
                vocab_size=128, n_embd=32, n_layer=2, n_head=4, bos_token_id=0, eos_token_id=0
            )
        ),
        "no linear layers",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_trained_is_refused_before_it_trains(kind: str) -> None:
    build, words = REFUSED[kind]
    torch.manual_seed(0)
    model = build().eval()
    with pytest.raises(UserError, match=words):
        probe.check(BaseModel(kind, model, Letters()))


def test_an_adapter_that_peft_saved_is_taken_over(tmp_path: Path) -> None:
    base = BaseModel("llama", made("llama"), Letters())
    policy = trained(base)
    twin = peft_rows.twin(policy, made("llama"), tmp_path / "ours")
    twin.save_pretrained(tmp_path / "theirs", save_embedding_layers=False)
    files = {file.name: file.read_bytes() for file in (tmp_path / "theirs").iterdir()}
    other = Policy(base, rank=4, alpha=8.0, seed=9)
    other.adapter.load(archive.pack(files))
    assert other.adapter.save() == policy.adapter.save()
    assert archive.unpack(other.adapter.save())[WEIGHTS_FILE] == files[WEIGHTS_FILE]
    base.close()


def test_the_folder_is_what_peft_reads_and_writes(tmp_path: Path) -> None:
    base = BaseModel("llama", made("llama"), Letters())
    twin = peft_rows.twin(trained(base), made("llama"), tmp_path)
    config = twin.peft_config["default"]
    assert (config.r, config.lora_alpha, config.base_model_name_or_path) == (4, 8.0, "llama")
    names = {name for name, p in twin.named_parameters() if p.requires_grad}
    assert len(names) == len(base.layers) * 2 == 2 * 7 * 2
    base.close()
