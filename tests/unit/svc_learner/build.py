"""Short builders of carriers."""

from svc_learner.types import Completion, Score, Ticket


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
