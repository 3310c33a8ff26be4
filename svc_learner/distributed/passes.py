"""What all ranks do in step.

Every rank takes part in gathering every layer, so all must go through the layers equally often: a
rank without a micro-batch passes two tokens whose gradient nobody wants, and if one rank needs the
bare base's log-probabilities, all go through once more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from svc_learner.algorithms.metrics import Tally
from svc_learner.distributed.commands import Learn
from svc_learner.engine.batching import MicroBatch, pack
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy, gradients
from svc_learner.types import Sample

IDLE = Sample(prompt=(0, 0), tokens=(0,))
UNWANTED = Objective("idle")


@dataclass(frozen=True, slots=True)
class Result:
    """Of one micro-batch; `gradient` is [parameters], on the rank's device."""

    tally: Tally
    gradient: Tensor


def learn(command: Learn, policies: Mapping[int, Policy], rank: int) -> Result | None:
    """This rank's part of a pass; None when it had none."""
    if rank < len(command.parts):
        part = command.parts[rank]
        return _pass(policies[part.adapter], part.batch, part.objective, command)
    policy = policies[command.parts[0].adapter]
    _pass(policy, pack([IDLE], 2)[0], UNWANTED, command)
    return None


def _pass(policy: Policy, batch: MicroBatch, objective: Objective, command: Learn) -> Result:
    if command.leashed and not objective.kl_weight:
        with torch.no_grad():
            policy.base.hidden_states(batch)
    [(tally, gradient)] = gradients([(policy, batch, objective)])
    return Result(tally, gradient)
