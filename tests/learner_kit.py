"""What the learner's tests build on: a tiny language model, and short builders of carriers."""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from svc_learner.engine.base import BaseModel
from svc_learner.types import Completion, Score, Ticket


class Letters:
    """A tokenizer with one token for each byte; 0 ends a turn."""

    eos_token_id = 0

    def apply_chat_template(self, messages: list[dict[str, str]], **_: object) -> list[int]:
        return [1, *("".join(m["content"] for m in messages)).encode(), 2]

    def __call__(self, text: str, **_: object) -> dict[str, list[int]]:
        return {"input_ids": list(text.encode())}


def tiny_base(seed: int = 0) -> BaseModel:
    return BaseModel("tiny", tiny_model(seed), Letters())


def tiny_model(seed: int = 0) -> LlamaForCausalLM:
    """A random Llama of 50,000 parameters: real architecture, no waiting."""
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
    return LlamaForCausalLM(config).eval()


def completion(
    group: str = "job.rl.0",
    index: int = 0,
    reward: float | None = 0.0,
    *,
    version: int = 0,
    tokens: tuple[int, ...] = (7, 8, 0),
    **scores: float,
) -> Completion:
    return Completion(
        id=f"{group}.{index}",
        group_id=group,
        index=index,
        prompt=(1, 5, 2),
        tokens=tokens,
        logprobs=(-1.0,) * len(tokens),
        text="",
        truncated=False,
        policy_version=version,
        reward=reward,
        scores=tuple(Score(name, "r", "ok", value) for name, value in scores.items()),
    )


def ticket(group: str = "job.rl.0", *, size: int = 2, version: int = 0) -> Ticket:
    return Ticket(group, row=0, size=size, policy_version=version)
