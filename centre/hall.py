"""All of the centre that the web interface asks: database, who is alive, streams. No HTTP here."""

import asyncio
import contextlib
import gzip
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from structlog.typing import FilteringBoundLogger as Logger

from centre import board, present
from centre.event_stream import Event, Feed, lines_of
from centre.faults import SchemaError, UnreadableError, refused
from centre.ingest import Ingest
from centre.reader import Reader
from centre.site_view import describe, page_map
from centre.store import centre_name
from centre.tally import Sample
from centre.track_hub import Tracks
from centre.unit_registry import Reporters
from centre.violation_writer import Ledger
from edge.clock import Clock
from edge.config import Site
from edge.metrics import Health
from geofence.plausible import bounds_of, plain

SUMMARY_S = 1.0
LATENCY_WINDOW_S = 900  # quantiles say how it is now: a quarter of an hour
FIGURES_EVERY = 2  # summaries a table of all RSUs
FAULT_ROUNDS = 3  # summaries; so long after its last failure reading counts as failing
Result = TypeVar("Result")


class Broker(Protocol):
    """What the hall needs of `edge.link.Link`."""

    @property
    def connected(self) -> bool: ...

    def publish(self, topic: str, payload: bytes, *, qos: int) -> bool: ...


class Hall:
    """One running centre; `start` first, then `run` while it serves."""

    def __init__(self, site: Site, engine: sa.Engine, clock: Clock, stop: asyncio.Event, log: Logger) -> None:
        self.site, self.clock = site, clock
        self.stop = stop  # the streams end when it is set
        self.link: Broker | None = None  # set before `run`
        self.link_counts: Callable[[], Mapping[str, int]] = dict
        self.log = log
        self._engine = engine
        self._writer = ThreadPoolExecutor(1, "centre.writer")
        self._readers = ThreadPoolExecutor(2, "centre.reader")
        ledger = Ledger(engine, clock.now_ns)
        self.reader = Reader(engine, lambda: ledger.settled_n)
        described = describe(site)
        self.description = msgspec.json.encode(described)
        bounds = bounds_of(site.config.site.origin, described["range_m"], described["map_version"])
        self.map_plain = page_map(site).encode()
        self.map_gzip = gzip.compress(self.map_plain, mtime=0)
        self.map_etag = f'"{hashlib.sha256(self.map_plain).hexdigest()[:32]}"'
        self.length_m = board.union_m([rsu.stretch_m for rsu in site.config.rsu])
        started_ns = clock.now_ns()
        gateways = () if site.config.gateway is None else (site.config.gateway.id,)
        self.rsus = Reporters("rsu", [rsu.esn for rsu in site.config.rsu], started_ns)
        self.gateways = Reporters("gateway", gateways, started_ns)
        self.tracks = Tracks()
        self.feed = Feed(self._read_events, lambda: self.read(self.reader.bounds))
        self.ingest = Ingest(
            ledger=ledger,
            writer=self._writer,
            centre=centre_name(engine),
            now_ns=clock.now_ns,
            rsus=self.rsus,
            gateways=self.gateways,
            tracks=self.tracks,
            publish=self._publish,
            log=log,
            committed=self.feed.committed,
            bounds=bounds,
        )
        self.health = Health(self._ready, lambda: self.counts()["centre"], self._gauges)
        self._gaps: dict[str, tuple[int, int]] = {}
        self._configs = {config.esn: config for config in site.config.rsu}
        self._latencies: Sequence[Sample] = ()
        self._latencies_of: Mapping[str, Sequence[Sample]] = {}  # the same by RSU
        self._figures: dict[str, Any] = {}  # what the database last answered
        self._unread = ("", float("-inf"))  # how reading last failed, and when [monotonic, s]
        self._faulty_since_ns: int | None = None  # reading or committing fails
        self._broker_since_ns: tuple[bool, int] = (False, started_ns)

    async def start(self) -> None:
        """Take up what an earlier run knew; raises UnreadableError."""
        for row in await self.read(self.reader.statuses):
            reporters = self.rsus if row.kind == "rsu" else self.gateways
            reporters.restore(row.id, row.since_ns, row.body)
        for (esn, epoch), last_seq in (await self.read(self.reader.last_seqs)).items():
            self.rsus.restore_last_seq(esn, epoch, last_seq)
        self._figures = await self.read(self.reader.figures, self.clock.now_ns())
        await self._refresh()
        await self.feed.start()

    async def run(self) -> None:
        """Commit, feed and tell the moment's state until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.ingest.run(), name="centre.ingest")
            tasks.create_task(self.feed.run(), name="centre.event_stream")
            tasks.create_task(self._tell(), name="centre.tell")

    def close(self) -> None:
        """End the threads, after what they have begun, and the database."""
        self._writer.shutdown()
        self._readers.shutdown()
        self._engine.dispose()

    def _ready(self) -> tuple[bool, dict[str, Any]]:
        fault = self._database_fault
        return self._linked and fault is None, {"broker": self._linked, "database": fault or "open"}

    @property
    def _linked(self) -> bool:
        return self.link is not None and self.link.connected

    @property
    def _database_fault(self) -> str | None:
        """What the database says that does not commit or can't be read."""
        said, at_s = self._unread
        return self.ingest.refused or (said if time.monotonic() - at_s < FAULT_ROUNDS * SUMMARY_S else None)

    def _gauges(self) -> dict[str, float]:
        now_ns = self.clock.now_ns()
        kinds = (self.rsus, self.gateways)
        return {f"{kind.kind}s_{state}": n for kind in kinds for state, n in kind.tally(now_ns).items()}

    def _publish(self, topic: str, body: bytes, qos: int) -> bool:
        return self.link is not None and self.link.publish(topic, body, qos=qos)

    async def read(self, query: Callable[..., Result], *args: object) -> Result:
        """Run a query of the reader in a thread; raises UnreadableError, or SchemaError for good."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, query, *args)
        except SQLAlchemyError as error:
            fault = refused(error)
            if isinstance(fault, SchemaError):
                raise fault from error
            said = plain(str(getattr(error, "orig", error)))
            if self._database_fault is None:
                self.log.error("read.failed", error=said)
            self._unread = (said, time.monotonic())
            self.reader.counts["read.failed"] += 1
            raise UnreadableError(said) from error

    def rsu(self, esn: str) -> dict[str, Any]:
        """Return the Rsu of API.md."""
        samples = self._latencies_of.get(esn, ())
        gap = self._gaps.get(esn, (0, 0))
        return board.rsu_row(esn, self._configs.get(esn), self.rsus, self.clock.now_ns(), gap, samples)

    def gateway(self, name: str) -> dict[str, Any]:
        """Return the Gateway of API.md."""
        return board.gateway_row(name, self.gateways, self.clock.now_ns())

    def rsu_table(self) -> dict[str, Any]:
        """Return `/api/rsus`."""
        return {
            "now_ns": str(self.clock.now_ns()),
            "rsus": [self.rsu(esn) for esn in self.rsus.rows()],
            "gateways": [self.gateway(name) for name in self.gateways.rows()],
        }

    async def summary(self) -> dict[str, Any]:
        """Return `/api/summary`; where the database can't be read, with the figures that it last gave."""
        now_ns = self.clock.now_ns()
        with contextlib.suppress(UnreadableError):
            self._figures = await self.read(self.reader.figures, now_ns)
        vehicles, hazmat = self.tracks.vehicles(now_ns)
        depths = [getattr(row.status, "outbox_depth", 0) for row in self.rsus.rows().values()]
        links = {"database": self._database(now_ns), "broker": self._broker(now_ns)}
        found: dict[str, Any] = present.json_safe(self._figures | links | {"now_ns": now_ns})
        return found | {
            "rsus": self.rsus.tally(now_ns),
            "gateways": self.gateways.tally(now_ns),
            "vehicles": vehicles,
            "hazmat": hazmat,
            "length_m": self.length_m,
            "unjudged_m": board.unjudged_m(self.rsus, self.site.config.rsu, now_ns),
            "latency": present.latency(self._latencies) | {"window_s": LATENCY_WINDOW_S},
            "outbox_depth": sum(depths),
            "missing": sum(missing for _, missing in self._gaps.values()),
        }

    def _database(self, now_ns: int) -> dict[str, Any] | None:
        fault = self._database_fault
        if fault is None:
            self._faulty_since_ns = None
            return None
        self._faulty_since_ns = self._faulty_since_ns or now_ns
        return {"fault": fault, "since_ns": self._faulty_since_ns}

    def _broker(self, now_ns: int) -> dict[str, Any]:
        if self._broker_since_ns[0] != self._linked:
            self._broker_since_ns = (self._linked, now_ns)
        connected, since_ns = self._broker_since_ns
        return {"connected": connected, "since_ns": since_ns}

    def counts(self) -> dict[str, dict[str, Any]]:
        """Return `/api/counts`."""
        own = self.ingest.counts + self.feed.counts + self.tracks.counts
        own += self.rsus.counts + self.gateways.counts + self.reader.counts
        own.update(self.link_counts())
        return {
            "centre": dict(sorted(own.items())),
            "rsus": {esn: self.rsu(esn)["counts"] for esn in self.rsus.rows()},
            "gateways": {name: self.gateway(name)["counts"] for name in self.gateways.rows()},
        }

    async def _refresh(self) -> None:
        self._gaps = await self.read(self.reader.gaps)
        since_ns = self.clock.now_ns() - LATENCY_WINDOW_S * 10**9
        self._latencies = await self.read(self.reader.latencies, since_ns)
        self._latencies_of = board.by_esn(self._latencies)

    async def _tell(self) -> None:
        """Show the moment's state each second of real time, whatever a simulation's clock does."""
        turn = 0
        while True:
            if turn % FIGURES_EVERY == 0:
                with contextlib.suppress(UnreadableError):
                    await self._refresh()
                self.feed.tell("rsus", msgspec.json.encode(self.rsu_table()))
            self.feed.tell("summary", msgspec.json.encode(await self.summary()))
            turn += 1
            await asyncio.sleep(SUMMARY_S)

    async def _read_events(self, after: int, limit: int) -> list[Event]:
        events = []
        for change in await self.read(self.reader.changes, after, limit):
            if change.kind == "violation" and change.data is None:
                events.append(Event(change.n, b"id: %d\n\n" % change.n))  # moves the cursor, shows nothing
                continue
            if change.kind == "violation":
                data: Any = change.data
            else:
                data = self.rsu(change.key) if change.kind == "rsu" else self.gateway(change.key)
            events.append(Event(change.n, lines_of(change.kind, msgspec.json.encode(data), change.n)))
        return events
