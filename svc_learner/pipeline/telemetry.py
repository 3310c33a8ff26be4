"""What the learner shows to Prometheus: where its steps' seconds went."""

from collections.abc import Mapping

from prometheus_client import Counter

SECONDS = Counter(
    "burnish_learner_seconds_total",
    "Wall seconds of reinforcement steps, by what they went into; their rates are the shares.",
    ["phase"],
)
STEPS = Counter("burnish_learner_steps_total", "Durable optimizer steps.", ["stage"])


def count_shares(shares: Mapping[str, float], seconds: float) -> None:
    """Add one step: `training`, `saving`, `waiting_sampling`, ..., and `other` for the rest."""
    for name, share in shares.items():
        phase = name.removeprefix("utilisation/").replace("/", "_")
        SECONDS.labels(phase).inc(share * seconds)
    SECONDS.labels("other").inc(max(0.0, 1 - sum(shares.values())) * seconds)
