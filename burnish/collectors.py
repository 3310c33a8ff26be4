"""Prometheus metrics that are read when they are asked for."""

from prometheus_client import REGISTRY
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class LateCollector(Collector):
    """Registered while what it reads is there; it may not be there yet."""

    def register(self) -> None:
        REGISTRY.register(self)

    def unregister(self) -> None:
        REGISTRY.unregister(self)

    def describe(self) -> list[Metric]:
        """Nothing: asking would read."""
        return []
