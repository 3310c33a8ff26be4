"""One rank of a learner without a bus: `torchrun sharded_worker.py <models> <output>`."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from svc_learner.algorithms.losses import LossConfig
from svc_learner.algorithms.metrics import Tally
from svc_learner.config import LearnerSettings
from svc_learner.distributed.follower import Follower
from svc_learner.distributed.leader import Leader
from svc_learner.distributed.ranks import Ranks
from svc_learner.engine.base import BaseModel
from svc_learner.engine.batching import pack
from svc_learner.engine.lesson import Lesson
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.types import Sample

ROWS = [
    Sample((66, 67, 1), (50, 51, 0), advantage=0.7, logprobs=(-4.0, -3.0, -5.0)),
    Sample((66, 67, 1), (60, 0), advantage=-0.7, logprobs=(-4.5, -4.0)),
    Sample((68, 69, 70, 1), (61, 62, 63, 0), advantage=0.2, logprobs=(-5.0,) * 4),
]
BUDGET = 6
RL = Objective("rl", LossConfig("gspo", 0.9, 9.0), temperature=0.8)
LEASHED = Objective("rl", LossConfig("cispo", 1.0, 4.0, kl_weight=0.1))
SFT = Objective("sft")


def train(
    base: BaseModel, outcomes: Callable[[Sequence[Lesson], int], list[Tally | Exception]]
) -> dict[str, Tensor]:
    """Three jobs on one base, a few steps each; the first begins before the last."""
    jobs = {"rl": RL, "leashed": LEASHED, "sft": SFT}
    policies: dict[str, Policy] = {}
    found: dict[str, Tensor] = {}
    for step in range(4):
        for name in list(jobs)[: step + 1]:
            if name not in policies:
                policies[name] = Policy(base, rank=2 + len(policies), alpha=8, seed=len(policies))
                policies[name].start_stage(0.01)
        lessons = [
            Lesson(policy, batch, jobs[name])
            for name, policy in policies.items()
            for batch in pack(ROWS, BUDGET)
        ]
        tallies = outcomes(lessons, BUDGET)
        for lesson, tally in zip(lessons, tallies, strict=True):
            assert isinstance(tally, Tally)
            assert tally.tokens == len(lesson.batch.targets)
        for name, policy in policies.items():
            norm = policy.step({jobs[name].sum_name: 1 / 9})
            found[f"{name}.{step}.norm"] = torch.tensor(norm)
    return found | {name: policy.adapter.flat.detach() for name, policy in policies.items()}


def is_sharded(model: nn.Module) -> bool:
    """Whether all matrices of the layers are here in part only."""
    layers = [p for name, p in model.named_parameters() if ".layers." in name]
    return all(isinstance(p, DTensor) and p.to_local().numel() < p.numel() for p in layers)


def main(models_dir: str, output: str) -> None:
    torch.set_num_threads(1)
    settings = LearnerSettings(
        models_dir=Path(models_dir),
        learner_device="cpu",
        learner_dtype="float32",
        learner_gradient_checkpointing=True,
    )
    ranks = Ranks.join("cpu", seconds=60)
    if ranks.rank:
        Follower(ranks, settings).run()
        return
    leader = Leader(ranks, settings)
    base = leader.load("bytes")
    assert is_sharded(base.model)
    found = train(base, leader.outcomes)
    assert is_sharded(base.model)
    save_file(found, output)
    leader.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
