"""The learning rate of each step of a stage: a pure function of the step's number.

Nothing is remembered between steps, so a resumed stage goes on with the rate that it would have had.
"""

import math

from burnish.stage_spec import Optimizing


def factor(config: Optimizing, step: int, steps: int) -> float:
    """What the stage's learning rate is multiplied by, in (0, 1].

    Linear warm-up over W = `warmup_steps`, then a decay that would reach 0 one step after the last:
    no step is spent on a rate of 0.

        (k + 1) / (W + 1)                  k < W
        1                                  constant
        1 - d                              linear, d = (k - W) / (steps - W)
        (1 + cos(pi d)) / 2                cosine (arXiv:1608.03983, equation 5, one period)

    Args:
        config: the stage's `warmup_steps` and `schedule`.
        step: k, optimizer steps that the stage has done.
        steps: optimizer steps of the whole stage.
    """
    warmup = config.warmup_steps
    if step < warmup:
        return (step + 1) / (warmup + 1)
    done = (step - warmup) / max(steps - warmup, 1)
    match config.schedule:
        case "constant":
            return 1.0
        case "linear":
            return 1 - done
        case "cosine":
            return (1 + math.cos(math.pi * done)) / 2
