"""What a centre shows to Prometheus beside its counters: units, delivery, its work (docs/operation.md)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from centre.peers import Peers
from centre.stored_metrics import StoredMetrics, ahead_ns
from centre.unit_registry import UnitRegistry
from core.intervals import union_m
from core.times import NS
from edge import wire
from edge.exposition import Values
from edge.figures import OTHER
from edge.histograms import Histograms
from edge.host import disks
from edge.metric_names import DEGRADED
from edge.radar_errors import ALARMED
from edge.sections import RsuConfig

# shown as 0 before they happen: alerts look at their increase
EXPECTED = (
    "commit.failed", "item.conflict", "item.void", "violation.contradicting", "quarantine.kept", "inbox.full",
    "centres.twin", "centres.shares_database", "database.moved", "read.failed",
)  # fmt: skip


class Metrics:
    """The figures of one centre that no other part keeps, and what units report."""

    def __init__(
        self,
        *,
        configs: Sequence[RsuConfig],
        rsus: UnitRegistry,
        gateways: UnitRegistry,
        peers: Callable[[], Peers],
        now_ns: Callable[[], int],
        database: Path | None,
    ) -> None:
        """database : its file, where it is one"""
        self._stretches = {config.esn: config.stretch_m for config in configs}
        self._sensors = {config.esn: tuple(radar.id for radar in config.radar) for config in configs}
        self._rsus, self._gateways, self._peers, self._now_ns = rsus, gateways, peers, now_ns
        self._database = database
        self.stored = StoredMetrics(self._stretches, partial(ahead_ns, rsus))
        self._snapshots = Histograms("snapshot_age_seconds")

    @property
    def histograms(self) -> tuple[Histograms, ...]:
        return *self.stored.histograms, self._snapshots

    def received_snapshot(self, esn: str, stamp_ns: int, now_ns: int) -> None:
        """Observe how old an RSU's snapshot of vehicles is."""
        self._snapshots.observe((esn,), max(0, now_ns + ahead_ns(self._rsus, esn) - stamp_ns) / NS)

    def samples(self) -> dict[str, float | Values]:
        """Return the present values."""
        found: dict[str, float | Values] = {
            **self.stored.samples(),
            "centre_up": {(str(row["centre"]),): row["state"] == "online" for row in self._peers().rows()},
        }
        if self._database is not None:
            rooms = list(disks({"database": self._database.parent}))
            found["disk_free_bytes"] = {(place,): free for place, free, _ in rooms}
            found["disk_size_bytes"] = {(place,): size for place, _, size in rooms}
        return found | self._units() | self._of_rsus()

    def _units(self) -> dict[str, Values]:
        now_ns = self._now_ns()
        up: dict[tuple[str, ...], float] = {}
        ages: dict[tuple[str, ...], float] = {}
        offsets: dict[tuple[str, ...], float] = {}
        for registry in (self._rsus, self._gateways):
            for name, unit in registry.rows().items():
                at = (registry.kind, name)
                up[at] = registry.state(name, now_ns) == ("online", False)
                if unit.beat_ns is not None:
                    ages[at] = max(0, now_ns - unit.beat_ns) / NS
                if up[at] and unit.status is not None and unit.status.clock_offset_ms is not None:
                    offsets[at] = unit.status.clock_offset_ms / 1e3
        return {
            "unit_up": up, "unit_heartbeat_age_seconds": ages, "unit_clock_offset_seconds": offsets,
        }  # fmt: skip

    def _of_rsus(self) -> dict[str, Values]:
        now_ns = self._now_ns()
        depths: dict[tuple[str, ...], float] = {}
        reasons: dict[tuple[str, ...], float] = {}
        sensors: dict[tuple[str, ...], float] = {}
        misplaced: dict[tuple[str, ...], float] = {}
        unjudged: dict[tuple[str, ...], float] = {}
        for esn, unit in self._rsus.rows().items():
            status, stretch = unit.status, self._stretches.get(esn, (0.0, 0.0))
            is_up = self._rsus.state(esn, now_ns) == ("online", False)
            unjudged[esn,] = stretch[1] - stretch[0]
            if isinstance(status, wire.Status):
                depths[esn,] = status.outbox_depth
                reasons |= {(esn, each if each in DEGRADED else OTHER): 1.0 for each in status.degraded}
                own = self._sensors.get(esn, ())
                sensors |= {(esn, each): status.sensors.get(each) == "online" for each in own}
                poses = {each: one for each, one in status.registration.items() if each in own}
                misplaced |= {(esn, each): one.state in ALARMED for each, one in poses.items()}
                if is_up:
                    unjudged[esn,] = _inside_m(status.unjudged, stretch)
        lengths: Mapping[tuple[str, ...], float] = {(esn,): b - a for esn, (a, b) in self._stretches.items()}
        return {
            "rsu_outbox_depth": depths, "rsu_degraded": reasons, "rsu_sensor_up": sensors,
            "rsu_sensor_misplaced": misplaced,
            "rsu_unjudged_meters": unjudged, "rsu_stretch_meters": lengths,
            "rsu_twin": {(esn,): self._rsus.n_returns(esn, now_ns) > 0 for esn in self._rsus.rows()},
        }  # fmt: skip


def _inside_m(pieces: Sequence[wire.UnjudgedStretch], stretch: tuple[float, float]) -> float:
    return union_m([(max(each.from_m, stretch[0]), min(each.to_m, stretch[1])) for each in pieces])
