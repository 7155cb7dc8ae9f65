"""The present state for `/api/rsus`, `/api/summary`, `/api/counts`, `/readyz` and `/metrics`."""

import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from centre.beside import Beside
from centre.broker import BrokerLink
from centre.costly import Costly, timed
from centre.database import Database
from centre.faults import UnreadableError
from centre.peers import Peers
from centre.reader import Lost
from centre.storage import Storage
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.views import figures, units
from centre.views.figures import Sample
from centre.views.safe_json import json_safe
from centre.views.warnings import Reported, warnings
from centre.workers.store import beats
from centre.workers.watch import WorkerWatch
from core.intervals import union_m
from edge.exposition import Values
from edge.figures import merged
from edge.sections import RsuConfig

LOST_SHOWN_NS = 86_400 * 10**9  # how long the banner has a loss; row, page and alert keep it
LATENCY_WINDOW_S = 900  # the latency quantiles cover this time


class Overview:
    """Joins the states in memory with the figures that were last read from the database."""

    def __init__(
        self,
        *,
        configs: Sequence[RsuConfig],
        now_ns: Callable[[], int],
        rsus: UnitRegistry,
        gateways: UnitRegistry,
        tracks: TrackHub,
        database: Database,
        broker: BrokerLink,
        peers: Peers,
        own_counts: Sequence[Counter[str]],
        storage: Storage,
        asked: Callable[[str], dict[str, int]],
        strangers: Mapping[str, int] = MappingProxyType({}),
        other_centre: str | None = None,
        shared: bool = False,
        workers: WorkerWatch,
        history: Callable[[], Sequence[str]] = tuple,
        beside: Beside,
        platforms: Callable[[], Mapping[str, str]],
        doubts_clock: Callable[[], bool] = lambda: False,
    ) -> None:
        """`own_counts`: the counters of the centre's other parts; `asked(esn)`: `Asker.figures`.

        `strangers`: of `gate.Gate`.  `other_centre`: id of the site's second centre, or of the first.
        `shared`: other processes may write the database too.  `workers`: those that do so for a site
        `history()`: why no history is kept now.  `beside`: what of the work beside delivery fails
        `platforms()`: ways on which events of alarms reach nobody, and why
        `doubts_clock()`: whether our own clock is not believed now
        """
        self._workers, self._history, self._beside = workers, history, beside
        self._doubts_clock, self._platforms = doubts_clock, platforms
        self._other_centre, self._shared = other_centre, shared
        self._desk: Callable[[], Awaitable[dict[str, Any]]] | None = None  # its figures
        self._asked, self._strangers = asked, strangers
        self._lost: Mapping[str, Lost] = {}  # by RSU
        self._voids: Mapping[str, int] = {}  # likewise, the lost ones included
        self.configs = {config.esn: config for config in configs}
        self._now_ns, self._rsus, self._gateways, self._tracks = now_ns, rsus, gateways, tracks
        self._database, self._broker, self._storage = database, broker, storage
        self._peers = peers
        self._own_counts = (*own_counts, rsus.counts, gateways.counts)
        self._length_m = union_m([rsu.stretch_m for rsu in configs])
        self._gaps: dict[str, tuple[int, int]] = {}
        self._latencies: Sequence[Sample] = ()
        self._latencies_of: Mapping[str, Sequence[Sample]] = {}  # the same by RSU
        self._figures: dict[str, Any] = {}
        self._counted = Costly(lambda: database.read(timed(database.reader.figures), now_ns()))

    def add_desk(self, figures: Callable[[], Awaitable[dict[str, Any]]], counts: Counter[str]) -> None:
        """Show the figures of the desk, which is made after this, and its counters."""
        self._desk, self._own_counts = figures, (*self._own_counts, counts)

    async def restore(self) -> None:
        """Read the stored status and last seqs of each unit, and the figures; raises UnreadableError."""
        read, reader = self._database.read, self._database.reader
        for row in await read(reader.statuses):
            registry = self._rsus if row.kind == "rsu" else self._gateways
            registry.restore(row.id, row.since_ns, row.body)
        for (esn, epoch), last_seq in (await read(reader.last_seqs)).items():
            self._rsus.restore_last_seq(esn, epoch, last_seq)
        for esn, epoch in (await read(reader.newest_epochs, tuple(self._rsus.rows()))).items():
            self._rsus.prove_epoch(esn, epoch)
        self._figures = await read(reader.figures, self._now_ns())
        await self.refresh()

    async def read_unit(self, kind: str, name: str) -> None:
        """Read a unit's status that another process may have stored; raises UnreadableError."""
        row = await self._database.read(self._database.reader.status, kind, name)
        if row is not None:
            registry = self._rsus if kind == "rsu" else self._gateways
            registry.restore_of_others(name, row.since_ns, row.body, self._now_ns())

    async def refresh(self) -> None:
        """Read gaps and latencies again; raises UnreadableError."""
        read, reader = self._database.read, self._database.reader
        if self._shared:  # another process may have stored items of higher epochs
            for esn, epoch in (await read(reader.newest_epochs, tuple(self._rsus.rows()))).items():
                self._rsus.prove_epoch(esn, epoch)
            for (esn, epoch), last_seq in (await read(reader.last_seqs)).items():
                self._rsus.restore_last_seq(esn, epoch, last_seq)
        if self._workers.expected:
            self._workers.receive(await read(beats, self._database.engine), self._now_ns())
        self._gaps = await read(reader.gaps)
        self._lost, self._voids = await read(reader.lost), await read(reader.voids, "")
        self._latencies = await read(reader.latencies, self._now_ns() - LATENCY_WINDOW_S * 10**9)
        self._latencies_of = figures.by_esn(self._latencies)

    def unit(self, kind: str, name: str) -> dict[str, Any]:
        """Return the Rsu or the Gateway of API.md."""
        now_ns = self._now_ns()
        if kind != "rsu":
            return units.gateway_row(name, self._gateways, now_ns)
        samples, gap = self._latencies_of.get(name, ()), self._gaps.get(name, (0, 0))
        row = units.rsu_row(name, self.configs.get(name), self._rsus, now_ns, gap, samples)
        lost = self._lost.get(name)
        since = {"lost_since_ns": None if lost is None else str(lost.first_ns)}
        return row | self._asked(name) | {"lost": 0 if lost is None else lost.n} | since

    def gaps(self) -> Mapping[str, tuple[int, int]]:
        """Return by RSU how many items are stored and missing, as last read."""
        return self._gaps

    def offline(self) -> frozenset[str]:
        """Return the RSUs that are off, or whose heartbeat is missing."""
        now_ns = self._now_ns()
        states = {esn: self._rsus.state(esn, now_ns) for esn in self._rsus.rows()}
        return frozenset(esn for esn, (state, stale) in states.items() if state == "offline" or stale)

    def rsu_table(self) -> dict[str, Any]:
        """Return `/api/rsus`."""
        return {
            "now_ns": str(self._now_ns()),
            "rsus": [self.unit("rsu", esn) for esn in self._rsus.rows()],
            "gateways": [self.unit("gateway", name) for name in self._gateways.rows()],
        }

    async def summary(self) -> dict[str, Any]:
        """Return `/api/summary`; where the database can't be read, with the figures that were last read."""
        now_ns = self._now_ns()
        with contextlib.suppress(UnreadableError):
            self._figures = await self._counted.newest()
        vehicles, hazmat = self._tracks.vehicles(now_ns)
        asked_of = [self._asked(esn) for esn in self._rsus.rows()]
        depths = [getattr(row.status, "outbox_depth", 0) for row in self._rsus.rows().values()]
        links = {"database": self._database.state(now_ns), "broker": self._broker.state(now_ns)}
        found: dict[str, Any] = json_safe(self._figures | links | {"now_ns": now_ns})
        return found | {
            "rsus": self._rsus.count_states(now_ns),
            "gateways": self._gateways.count_states(now_ns),
            "vehicles": vehicles,
            "hazmat": hazmat,
            "length_m": self._length_m,
            "unjudged_m": units.unjudged_m(self._rsus, tuple(self.configs.values()), now_ns),
            "latency": figures.latency(self._latencies) | {"window_s": LATENCY_WINDOW_S},
            "outbox_depth": sum(depths),
            "notices": self._storage.notices(),
            "warnings": json_safe(self._warnings()),
            "centres": json_safe(self._peers.rows()),
            "workers": self._workers.rows(now_ns),
            "twins": sum(self._rsus.n_returns(esn, now_ns) > 0 for esn in self._rsus.rows()),
            "missing": sum(missing for _, missing in self._gaps.values()),
            "asked": sum(asked["asked"] for asked in asked_of),
            "recovered": sum(asked["recovered"] for asked in asked_of),
            "lost": sum(lost.n for lost in self._lost.values()),
            "desk": await self._desk_figures(),
        }

    async def _desk_figures(self) -> dict[str, Any] | None:
        """Return `desk` of the summary; None where there is none, or its figures can't be made."""
        try:
            return None if self._desk is None else await self._desk()
        except Exception as error:  # the rest of the summary does not wait for it
            self._beside.note("desk.figures", error)
            return None

    def _warnings(self) -> list[dict[str, Any]]:
        parts, lost_after_ns = merged(*self._own_counts).items(), self._now_ns() - LOST_SHOWN_NS
        own = Counter({reason: n for reason, n in parts if reason.startswith("centres.")})
        own.update(self._broker.link_counts())
        rsus, gateways = self.rsu_table()["rsus"], self.rsu_table()["gateways"]
        return warnings(
            own=Reported(self._peers.own, (), own),
            rsus=[Reported(row["esn"], row["degraded"], row["counts"], row) for row in rsus],
            gateways=[Reported(row["id"], row["degraded"], row["counts"], row) for row in gateways],
            others=self._others(),
            notices=self._storage.notices(),
            asked_of=[row["esn"] for row in rsus if row["asked"]],
            lost_of={esn: lost.n for esn, lost in self._lost.items() if lost.newest_ns > lost_after_ns},
            centres=self._peers.rows(),
            expected=self._other_centre,
            main=self._peers.main,
            misplaced=units.misplaced(rsus),
            workers=self._workers.fault(self._now_ns()),
            history=self._history(),
            failing=self._beside.failing,
            platforms=self._platforms(),
            doubts_clock=self._doubts_clock(),
        )

    def _others(self) -> list[Reported]:
        workers = self._workers.reported(self._now_ns()).items()
        brokers = [] if self._broker.ends is None else self._broker.ends.faults(time.time())
        return [Reported(name, (), counts) for name, counts in workers] + [
            Reported(f"broker {each.broker}", (), {f"tls.{each.fault}": 1}) for each in brokers
        ]

    def counts(self) -> dict[str, dict[str, Any]]:
        """Return `/api/counts`."""
        own = merged(*self._own_counts, self._broker.link_counts())
        return {
            "centre": dict(sorted(own.items())),
            "strangers": dict(self._strangers),
            "rsus": {esn: self.unit("rsu", esn)["counts"] for esn in self._rsus.rows()},
            "gateways": {name: self.unit("gateway", name)["counts"] for name in self._gateways.rows()},
        }

    def ready(self) -> tuple[bool, dict[str, Any]]:
        """Return whether the broker is connected and the database works, and the state of each."""
        linked, fault = self._broker.connected, self._database.fault
        state: dict[str, Any] = {
            "broker": linked, "database": fault or "open", "notices": self._storage.notices(),
        }  # fmt: skip
        if not self._workers.expected:
            return linked and fault is None, state
        now_ns = self._now_ns()
        rows = self._workers.rows(now_ns)
        state["workers"] = [row["worker"] for row in rows if row["state"] == "online"]
        return linked and fault is None and not self._workers.absent(now_ns), state

    def lacks_workers(self, now_ns: int) -> bool:
        """Say whether workers should store violations, and none lives."""
        return self._workers.absent(now_ns)

    def gauges(self) -> dict[str, float | Values]:
        """Return how many units of each kind are in each state, and figures of the database's files."""
        now_ns, kinds = self._now_ns(), (self._rsus, self._gateways)
        states = {
            f"{kind.kind}s_{state}": float(n)
            for kind in kinds
            for state, n in kind.count_states(now_ns).items()
        }
        ends_s = {} if self._broker.ends is None else self._broker.ends.ends_s
        if self._workers.expected:
            states["workers_online"] = float(self._workers.n_online(now_ns))
        esns = self.configs
        by_name: dict[str, Values] = {
            "broker_certificate_not_after_timestamp_seconds": {(name,): end for name, end in ends_s.items()},
            "rsu_missing_items": {(esn,): self._gaps.get(esn, (0, 0))[1] for esn in esns},
            "rsu_lost_items": {(esn,): self._lost[esn].n if esn in self._lost else 0 for esn in esns},
            "rsu_void_items": {(esn,): self._voids.get(esn, 0) for esn in esns},
        }
        return (
            states
            | by_name
            | {
                "database_up": self._database.fault is None,
                "quarantined_items": self._figures.get("quarantined") or 0,
                "database_wal_bytes": float(self._storage.log_bytes),
                "database_set_aside": float(len(self._storage.notices())),
            }
        )
