"""The centre's figures for Prometheus, read from the hall when they are asked for."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from centre.hall import Hall


class HallCollector(Collector):
    """Collects; see the module."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall

    def collect(self) -> Iterator[Metric]:
        """Yield the centre's own counters and how many reporters are in each state."""
        counts = CounterMetricFamily("petroroad_centre", "Facts counted by reason.", labels=["reason"])
        for reason, n in self._hall.counts()["centre"].items():
            counts.add_metric([reason], n)
        yield counts
        states = GaugeMetricFamily("petroroad_reporters", "RSUs and gateways.", labels=["kind", "state"])
        now_ns = self._hall.clock.now_ns()
        for reporters in (self._hall.rsus, self._hall.gateways):
            for state, n in reporters.tally(now_ns).items():
                states.add_metric([reporters.kind, state], n)
        yield states
