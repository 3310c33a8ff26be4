"""The engine's numbers for Prometheus, read at each scrape."""

from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from burnish.collectors import LateCollector
from svc_serve.engine import EngineStats


class EngineCollector(LateCollector):
    """Registered while the engine runs."""

    def __init__(self, stats: Callable[[], EngineStats]) -> None:
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        yield CounterMetricFamily(
            "burnish_serve_tokens", "Tokens generated.", value=stats.generated_tokens
        )
        for name, text, value in (
            ("rows_running", "Completions being generated.", stats.running_rows),
            ("rows_waiting", "Completions that wait for a row.", stats.waiting_rows),
            ("tokens_per_second", "Recent rate while there is work.", stats.tokens_per_second),
            ("adapters_loaded", "Adapters in the engine.", len(stats.adapters)),
        ):
            yield GaugeMetricFamily(f"burnish_serve_{name}", text, value=value)
