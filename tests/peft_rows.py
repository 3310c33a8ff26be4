"""Training as transformers and PEFT do it: padded rows, all logits, plain autograd.

What the learner's packed micro-batches are compared with; none of its arithmetic is used here.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from peft import PeftModel
from torch import Tensor
from transformers import PreTrainedModel

from svc_learner.engine.policy import Policy
from svc_learner.state import archive
from svc_learner.types import Sample

Loss = Callable[[Sample, Tensor], Tensor]
"""From a completion and its tokens' log-probabilities to a scalar."""


def twin(made: Policy, model: PreTrainedModel, folder: Path) -> PeftModel:
    """The policy's saved adapter, loaded by PEFT on another copy of the base model."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in archive.unpack(made.adapter.save()).items():
        (folder / name).write_bytes(content)
    return PeftModel.from_pretrained(model, folder, is_trainable=True).eval()


def logprobs(
    model: PeftModel | PreTrainedModel, rows: Sequence[Sample], temperature: float = 1.0
) -> list[Tensor]:
    """Of each row's completion tokens, by one batch of rows padded on the right."""
    length = max(len(row.prompt) + len(row.tokens) for row in rows)
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for number, row in enumerate(rows):
        tokens = [*row.prompt, *row.tokens]
        ids[number, : len(tokens)], mask[number, : len(tokens)] = torch.tensor(tokens), 1
    logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits.float()
    found = []
    for row, of_row in zip(rows, logits / temperature, strict=True):
        first = len(row.prompt) - 1
        of_tokens = of_row[first : first + len(row.tokens)].log_softmax(-1)
        found.append(of_tokens.gather(1, torch.tensor(row.tokens)[:, None])[:, 0])
    return found


def gradients(
    model: PeftModel, rows: Sequence[Sample], loss: Loss, temperature: float = 1.0
) -> dict[str, Tensor]:
    """Of the adapter's parameters, by their names in a PEFT folder."""
    model.zero_grad()
    total = [loss(*pair) for pair in zip(rows, logprobs(model, rows, temperature), strict=True)]
    torch.stack(total).sum().backward()  # type: ignore[no-untyped-call]
    return {
        name.replace(".default.", "."): parameter.grad.float()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
