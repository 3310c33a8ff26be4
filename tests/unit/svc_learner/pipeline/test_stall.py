"""A stall names the service that is silent."""

import pytest

from svc_learner.pipeline.stall import explain
from svc_learner.pipeline.surroundings import Queue, Service, Surroundings

ALIVE = [
    Service("rollout", "sampling 2 groups"),
    Service("serve", "generating 8 completions", ("tiny",)),
    Service("reward", "scoring 4 completions"),
    Service("learner", "rl of job-1"),
]


def without(name: str, *instead: Service) -> Surroundings:
    return Surroundings([*(s for s in ALIVE if s.name != name), *instead], Queue(1, 1), Queue(2, 2))


@pytest.mark.parametrize(
    ("around", "words"),
    [
        (None, "the message bus does not answer"),
        (without("rollout"), "no rollout service is alive"),
        (without("reward"), "no reward service is alive"),
        (without("serve"), "no serve service answers for tiny: start one"),
        (without("serve", Service("serve", "idle", ("other",))), "for tiny (only other)"),
        (without("serve", Service("serve", "loading tiny")), "the serve service is loading tiny"),
        (
            without("reward", Service("reward", "cannot score: Docker is away")),
            "the reward service cannot score: Docker is away",
        ),
        (
            Surroundings(ALIVE, Queue(0, 2), Queue(12, 4)),
            (
                "12 completions wait to be scored, 4 completions are being scored; "
                "2 groups are being sampled; serve: generating 8 completions, "
                "reward: scoring 4 completions"
            ),
        ),
        (Surroundings(ALIVE, Queue(3, 0), Queue()), "3 groups wait to be sampled"),
        (Surroundings(ALIVE), "none of them has anything to do"),
    ],
)
def test_the_first_thing_that_does_not_work_is_named(
    around: Surroundings | None, words: str
) -> None:
    assert words in explain(around, "tiny")
