"""How a learner's base models are shared, for its status and for Prometheus."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from burnish.collectors import LateCollector
from svc_learner.sharing.shared_base import SharedBase


@dataclass(frozen=True, slots=True)
class Sharing:
    """One base model at this moment.

    Attributes:
        jobs: that use it.
        waiting: pieces of work in the queue to its thread.
        busy_seconds: of its thread, in all.
        tokens: served to each job so far.
        shares: of each job in the tokens of late; they add up to 1.
    """

    base_model: str
    jobs: int
    waiting: int
    busy_seconds: float
    tokens: Mapping[str, int]
    shares: Mapping[str, float]

    @classmethod
    def of(cls, shared: SharedBase, jobs: int) -> "Sharing":
        return cls(
            shared.base.name,
            jobs,
            shared.waiting,
            shared.busy_seconds,
            dict(shared.shares.totals),
            dict(shared.shares.shares),
        )


def as_metrics(sharings: list[Sharing]) -> dict[str, float]:
    """For the service's status."""
    found: dict[str, float] = {}
    for one in sharings:
        found[f"jobs/{one.base_model}"] = one.jobs
        found[f"queue/{one.base_model}"] = one.waiting
        found |= {f"tokens/{job}": float(tokens) for job, tokens in one.tokens.items()}
        found |= {f"share/{job}": share for job, share in one.shares.items()}
    return found


class SharingCollector(LateCollector):
    """Read at each scrape. A job's series end with the job, so there are never many.

    Args:
        sharings: of all base models.
        waiting: jobs that no learner has taken.
    """

    def __init__(self, sharings: Callable[[], list[Sharing]], waiting: Callable[[], int]) -> None:
        self._sharings = sharings
        self._waiting = waiting

    def collect(self) -> Iterator[Metric]:
        base, job = ["base_model"], ["base_model", "job"]
        jobs = GaugeMetricFamily("burnish_learner_jobs", "Jobs that are run.", labels=base)
        queue = GaugeMetricFamily(
            "burnish_learner_queue", "Work that waits for the base model's thread.", labels=base
        )
        busy = CounterMetricFamily(
            "burnish_learner_busy_seconds", "Of the base model's thread.", labels=base
        )
        tokens = CounterMetricFamily(
            "burnish_learner_job_tokens", "Tokens trained on for a running job.", labels=job
        )
        share = GaugeMetricFamily(
            "burnish_learner_job_share", "Of a running job in the tokens of late.", labels=job
        )
        for one in self._sharings():
            jobs.add_metric([one.base_model], one.jobs)
            queue.add_metric([one.base_model], one.waiting)
            busy.add_metric([one.base_model], one.busy_seconds)
            for name, count in one.tokens.items():
                tokens.add_metric([one.base_model, name], count)
            for name, value in one.shares.items():
                share.add_metric([one.base_model, name], value)
        yield from (jobs, queue, busy, tokens, share)
        yield GaugeMetricFamily(
            "burnish_learner_jobs_waiting", "Jobs that no learner has taken.", value=self._waiting()
        )
