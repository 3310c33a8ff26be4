"""What a pass keeps in memory, and what it must never hold."""

from collections.abc import Callable

import pytest
import torch
from learner_kit import tiny_base
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from svc_learner.algorithms.losses import LossConfig
from svc_learner.engine import head
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import MicroBatch, pack
from svc_learner.engine.lora import Run
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.types import Sample

LEASHED = Objective("rl", LossConfig("gspo", 0.1, 0.1, kl_weight=0.1))


def groups(count: int, length: int = 12) -> MicroBatch:
    rows = [
        Sample(
            (1, 30 + n, 2), (*range(40, 40 + length - m), 0), 1.0, 0.5, (-4.0,) * (length - m + 1)
        )
        for n in range(count)
        for m in range(4)
    ]
    return pack(rows, 10_000)[0]


class Sizes(TorchDispatchMode):
    """Remembers the sizes of all tensors that operations make."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[int, ...]] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, tuple | list) else (out,):
            if isinstance(each, Tensor):
                self.seen.add(tuple(each.shape))
        return out


def learned(base: BaseModel, batch: MicroBatch, objective: Objective) -> Tensor:
    policy = Policy(base, rank=4, alpha=8.0, seed=0)
    generator = torch.Generator().manual_seed(5)
    policy.adapter.flat.detach().add_(
        torch.randn(policy.adapter.flat.shape, generator=generator) / 20
    )
    policy.adapter.changed()
    policy.accumulate(batch, objective)
    return policy._sums[objective.sum_name]


def test_all_logits_never_exist_at_once_and_no_mask_does(
    base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head, "ROWS", 8)
    batch = groups(6)
    tokens, vocabulary = len(batch.targets), len(base.head.weight)
    assert tokens > 20 * head.ROWS
    with Sizes() as sizes:
        learned(base, batch, LEASHED)
    logits = {shape for shape in sizes.seen if shape[-1:] == (vocabulary,) and len(shape) > 1}
    logits.discard(tuple(base.head.weight.t().shape))
    assert max(shape[0] for shape in logits) == head.ROWS
    assert all(shape.count(len(batch.tokens)) < 2 for shape in sizes.seen)


def kept(work: Callable[[], object]) -> int:
    """Bytes that autograd saves for the backward pass."""
    total = 0

    def pack_hook(tensor: Tensor) -> Tensor:
        nonlocal total
        total += tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack_hook, lambda tensor: tensor):
        work()
    return total


def test_checkpointed_gradients_are_the_same_bytes_and_keep_less() -> None:
    batch = groups(3)
    plain, checkpointed = tiny_base(), tiny_base()
    checkpointed.checkpoint_gradients()
    wanted = learned(plain, batch, LEASHED)
    assert torch.equal(learned(checkpointed, batch, LEASHED), wanted)

    def forward(base: BaseModel) -> Callable[[], object]:
        policy = Policy(base, rank=4, alpha=8.0, seed=0)
        pairs = policy.adapter.pairs(torch.zeros_like(policy.adapter.flat))
        run = [Run(0, len(batch.tokens), pairs)]
        return lambda: base.hidden_states(batch, run)

    assert kept(forward(checkpointed)) < kept(forward(plain)) / 4


def test_equal_inputs_give_equal_bytes(base: BaseModel) -> None:
    batch = groups(5)
    assert torch.equal(learned(base, batch, LEASHED), learned(base, batch, LEASHED))
    assert torch.equal(learned(base, batch, LEASHED), learned(tiny_base(), batch, LEASHED))
