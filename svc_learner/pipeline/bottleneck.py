"""What held a step up most, in a sentence that says what to do about it. Pure."""

from collections.abc import Mapping

NEGLIGIBLE = 0.05
"""A step none of whose shares reaches this has no bottleneck worth a sentence."""

_SENTENCES: Mapping[str, str] = {
    "utilisation/training": "training is the limit: set BURNISH_LEARNER_THREADS or "
    "BURNISH_LEARNER_DEVICE, or ask for fewer or shorter completions",
    "utilisation/saving": "saving checkpoints: put BURNISH_DATA_DIR on a faster disk, or lower "
    "`lora.rank`",
    "waiting/sampling_queue": "waiting for a rollout slot: raise BURNISH_ROLLOUT_GROUPS, or add a "
    "rollout service",
    "waiting/sampling": "waiting for samples: add a serve replica, or lower `sampling.max_tokens`",
    "waiting/scoring_queue": "waiting for scores: add reward lanes (BURNISH_REWARD_LANES)",
    "waiting/scoring": "waiting while rewards run: make the reward function faster, or raise "
    "`max_staleness` so that more of them run at once",
}
_BOUND = "held back by `max_staleness`: raise it, and sampling goes on during scoring and training"
_GROUPS = "held back by BURNISH_LEARNER_GROUPS: raise it, and more groups are in flight"


def explain(shares: Mapping[str, float], *, by_staleness: bool) -> str:
    """The greatest share and its remedy; "" when nothing took long.

    Args:
        shares: what `Clock.shares` found.
        by_staleness: whether it is the bound on staleness that limits what is in flight, and not
            the limit on groups.
    """
    sentences = {**_SENTENCES, "waiting/pacing": _BOUND if by_staleness else _GROUPS}
    name = max(sentences, key=lambda each: shares.get(each, 0.0))
    share = shares.get(name, 0.0)
    return f"{100 * share:.0f} % {sentences[name]}" if share >= NEGLIGIBLE else ""
