"""A random Llama of 50,000 parameters: real architecture, no waiting."""

from collections.abc import Iterator

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from svc_learner.base import BaseModel


class Letters:
    """A tokenizer with one token for each byte; 0 ends a turn."""

    eos_token_id = 0

    def apply_chat_template(self, messages: list[dict[str, str]], **_: object) -> list[int]:
        return [1, *("".join(m["content"] for m in messages)).encode(), 2]

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}


def tiny_base(seed: int = 0) -> BaseModel:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=128,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.2,
    )
    return BaseModel("tiny", LlamaForCausalLM(config), Letters())


@pytest.fixture
def base() -> Iterator[BaseModel]:
    model = tiny_base()
    yield model
    model.close()
