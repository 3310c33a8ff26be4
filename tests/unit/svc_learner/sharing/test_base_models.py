"""Base models in memory: loaded once, kept while used, freed when idle; and what is said of them."""

import pytest
from learner_kit import tiny_base
from prometheus_client import generate_latest

from burnish.errors import UserError
from burnish.v1 import events_pb2
from svc_learner.config import LearnerSettings
from svc_learner.engine.base import BaseModel
from svc_learner.engine.objective import Objective
from svc_learner.engine.policy import Policy
from svc_learner.sharing.gauges import Sharing, SharingCollector, as_metrics
from svc_learner.sharing.models import BaseModels
from svc_learner.sharing.peers import details_of, metrics_of, names, peer_of
from svc_learner.sharing.placement import Peer
from svc_learner.types import Sample


class Loads:
    """Counts what is read."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, name: str) -> BaseModel:
        if name != "tiny":
            raise UserError(f"There is no base model {name!r}.", field="base_model")
        self.count += 1
        return tiny_base()


def models(idle_seconds: float = 0) -> tuple[BaseModels, Loads]:
    loads = Loads()
    return BaseModels(LearnerSettings(learner_base_idle_seconds=idle_seconds), loads), loads


async def test_a_base_model_is_loaded_once_and_kept_while_it_is_used() -> None:
    held, loads = models()
    async with held.use("tiny") as first:
        async with held.use("tiny") as second:
            assert first is second
            assert held.users("tiny") == 2
        held.free_idle()
        assert list(held.held) == ["tiny"]
        assert await first.base.run(lambda: 1) == 1
    assert loads.count == 1
    held.free_idle()
    assert not held.held
    async with held.use("tiny"):
        assert loads.count == 2
    held.close()


async def test_an_idle_base_model_stays_for_a_while() -> None:
    held, _ = models(idle_seconds=60)
    async with held.use("tiny"):
        pass
    held.free_idle()
    assert list(held.held) == ["tiny"]
    held.close()


async def test_one_that_cannot_be_loaded_is_tried_again_by_the_next_job() -> None:
    held, _ = models()
    for _ in range(2):
        with pytest.raises(UserError, match="no base model"):
            async with held.use("gpt-9"):
                pass
    assert not held.held
    async with held.use("tiny"):
        assert held.users("tiny") == 1
    held.close()


async def test_shares_are_shown_in_status_and_metrics() -> None:
    held, _ = models()
    async with held.use("tiny") as shared:
        with shared.seat("job-1") as seat:
            policy = Policy(shared.base, rank=4, alpha=8.0, seed=0)
            policy.start_stage(0.01)
            await seat.learn(policy, [Sample((1, 2, 3), (4, 5, 0))], Objective("sft"))
            sharings = [Sharing.of(shared, held.users("tiny"))]
            status = as_metrics(sharings)
            assert status["jobs/tiny"] == 1
            assert status["queue/tiny"] == 0
            assert status["tokens/job-1"] == 5
            assert status["share/job-1"] == 1.0
            collector = SharingCollector(lambda: sharings, lambda: 3)
            collector.register()
            try:
                text = generate_latest().decode()
            finally:
                collector.unregister()
    assert 'burnish_learner_job_tokens_total{base_model="tiny",job="job-1"} 5.0' in text
    assert "burnish_learner_jobs_waiting 3.0" in text
    held.close()


def test_learners_hear_what_a_learner_says() -> None:
    me = Peer("one", names("a, b"), frozenset({"a"}), jobs=2, slots=4, draining=True)
    status = events_pb2.ServiceStatus(
        service="learner", instance="one", metrics=metrics_of(me), details=details_of(me)
    )
    assert peer_of(status) == me
    nobody = events_pb2.ServiceStatus(service="learner", instance="new")
    assert peer_of(nobody) == Peer("new"), "one that says nothing yet is for any base model"
