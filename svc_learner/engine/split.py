"""Micro-batches for every rank. Pure."""

from collections.abc import Sequence

from svc_learner.engine.batching import MicroBatch, pack
from svc_learner.types import Sample


def spread(samples: Sequence[Sample], budget: int, ranks: int) -> list[MicroBatch]:
    """Like `pack`, but in smaller pieces where some ranks would have nothing to do.

    A prompt that is split between ranks is computed by each, so pieces are no smaller than needed.
    """
    batches = pack(samples, budget)
    if ranks == 1 or not batches or len(batches) % ranks == 0:
        return batches
    wanted = -(-len(batches) // ranks) * ranks
    total = sum(len(batch.tokens) for batch in batches)
    prompt = max(len(sample.prompt) for sample in samples)
    return pack(samples, min(budget, -(-total // wanted) + prompt))
