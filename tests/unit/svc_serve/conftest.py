"""Tiny random models: every shape of the real ones, in milliseconds."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from tiny_models import MakeAdapter, MakeCore
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from svc_serve.cpu.core import EngineCore
from svc_serve.cpu.scheduler import Limits

ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPE = {
    "vocab_size": 128,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 256,
    "eos_token_id": 2,
    "bos_token_id": 1,
    "pad_token_id": 0,
    "initializer_range": 0.4,
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", params=["llama", "qwen2", "qwen3"])
def reference(request: pytest.FixtureRequest) -> PreTrainedModel:
    torch.manual_seed(7)
    models = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**SHAPE, tie_word_embeddings=True)),
        "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**SHAPE, tie_word_embeddings=False)),
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**SHAPE, tie_word_embeddings=True)),
    }
    model: PreTrainedModel = models[request.param]().eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            torch.nn.init.normal_(parameter, mean=0.5, std=0.3)
    return model


@pytest.fixture(scope="session")
def folder(reference: PreTrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    reference.save_pretrained(path)
    return path


@pytest.fixture(scope="session")
def make_adapter(
    folder: Path, reference: PreTrainedModel, tmp_path_factory: pytest.TempPathFactory
) -> MakeAdapter:
    """Saves a random LoRA adapter as a PEFT folder."""

    def make(
        seed: int = 0, rank: int = 4, targets: list[str] | None = None, **options: object
    ) -> Path:
        torch.manual_seed(seed)
        model = type(reference).from_pretrained(folder)
        config = LoraConfig(
            r=rank,
            lora_alpha=2 * rank,
            target_modules=targets or ALL_LINEAR,
            task_type="CAUSAL_LM",
            **options,
        )
        tuned = get_peft_model(model, config)
        for name, parameter in tuned.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        path = tmp_path_factory.mktemp(f"adapter-{seed}")
        tuned.save_pretrained(path)
        return path

    return make


@pytest.fixture
def make_core(folder: Path) -> MakeCore:
    def make(limits: Limits | None = None, **options: object) -> EngineCore:
        return EngineCore(
            folder,
            lambda ids: "".join(f"<{token}>" for token in ids),
            dtype=torch.float32,
            device=torch.device("cpu"),
            limits=limits or Limits(),
            **options,
        )

    return make
