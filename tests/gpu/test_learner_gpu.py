"""The training engine on a GPU: torch's fused attention in place of tiles, the rest as on a CPU."""

import pytest
import torch
from learner_kit import Letters, tiny_model

from svc_learner.algorithms.losses import LossConfig
from svc_learner.engine import probe
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.types import Sample

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that PyTorch can use"),
]

LEASHED = Objective("rl", LossConfig("cispo", 1.0, 4.0, kl_weight=0.1))
ROWS = [
    Sample((1, 40, 2), (50, 51, 52, 0), advantage=0.7, logprobs=(-4.0, -3.0, -5.0, -4.0)),
    Sample((1, 40, 2), (60, 0), advantage=-0.7, logprobs=(-4.5, -4.0)),
    Sample((1, 41, 42, 2), (61, 62, 63, 0), advantage=0.2, logprobs=(-5.0,) * 4),
]


def gradient(device: str, *, checkpointing: bool = False) -> torch.Tensor:
    base = BaseModel("tiny", tiny_model().to(device), Letters())
    probe.check(base)
    if checkpointing:
        base.checkpoint_gradients()
    made = Policy(base, rank=4, alpha=8.0, seed=0)
    made.start_stage(0.01)
    for _ in range(2):  # after a first step, all matrices have gradients
        made.accumulate(pack(ROWS, 99)[0], LEASHED)
        found = made._sums["rl"].cpu()
        made.step({"rl": 0.1})
    base.close()
    return found


@pytest.mark.parametrize("checkpointing", [False, True])
def test_gradients_equal_those_of_a_cpu(*, checkpointing: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    found = gradient("cuda", checkpointing=checkpointing)
    torch.testing.assert_close(found, gradient("cpu"), atol=1e-4, rtol=1e-3)
