"""What the process that commits violations shows of it to Prometheus: the centre, or each of its workers."""

from collections import Counter
from collections.abc import Iterable

from centre.commands import CommitResult
from centre.unit_registry import UnitRegistry
from edge.exposition import Values
from edge.histograms import Histograms
from edge.latency import Ahead, ViolationLatency
from geofence.violation import GRADES


class StoredMetrics:
    """The way of each version until its commit, the time of the commits, and the episodes that ended."""

    def __init__(self, esns: Iterable[str], ahead_ns: Ahead) -> None:
        """`ahead_ns(esn)`: how far an RSU's clock is ahead of ours."""
        self.latency = ViolationLatency()
        self._ahead_ns = ahead_ns
        self._commits = Histograms("commit_seconds")
        self._closed: Counter[tuple[str, str]] = Counter()
        for esn in esns:
            self._closed.update(dict.fromkeys(((esn, grade) for grade in GRADES), 0))

    @property
    def histograms(self) -> tuple[Histograms, ...]:
        return self.latency.histograms, self._commits

    def stored(self, result: CommitResult, took_s: float) -> None:
        """Observe what one transaction has stored.  took_s : with the way to the writer's thread and back"""
        self._commits.observe((), took_s)
        self.latency.committed(result.delivered, result.committed_ns, self._ahead_ns)
        for found in result.delivered:
            if found.closed_as is not None:
                self._closed[found.esn, found.closed_as] += 1

    def samples(self) -> dict[str, float | Values]:
        """Return the present values."""
        return {"episodes_closed_total": {(esn, grade): float(n) for (esn, grade), n in self._closed.items()}}


def ahead_ns(rsus: UnitRegistry, esn: str) -> int:
    """Return how far an RSU's clock is ahead of ours, by its status; 0 where it does not know."""
    unit = rsus.rows().get(esn)
    offset_ms = None if unit is None or unit.status is None else unit.status.clock_offset_ms
    return 0 if offset_ms is None else int(offset_ms * 1e6)
