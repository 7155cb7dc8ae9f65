"""The running centre: its parts, and the one function that builds and connects them; without HTTP."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from centre import postgresql
from centre.access.service import Access, Facts, Limits
from centre.ages import Ages
from centre.asker import Asker
from centre.audit.proofs import LogChecks
from centre.beside import Beside
from centre.broker import BrokerLink
from centre.checking import Check
from centre.database import Database
from centre.desk.desk import Desk
from centre.desk.mirror import DeskMirror
from centre.desk.policy import policy_of
from centre.desk.priority import road_of
from centre.desk.view import View
from centre.event_stream import EventFeed
from centre.faults import DamagedError, UnreadableError
from centre.feed_events import FeedEvents, Present
from centre.feed_listener import FeedListener
from centre.history.keeper import History, open_history
from centre.ingest import Ingest
from centre.metrics import EXPECTED, Metrics
from centre.outward import Outward, build_outward
from centre.overview import Overview
from centre.own_clock import NO_TIME_NS, OwnClock
from centre.presence import CentrePresence, begin_presence
from centre.reader import Reader
from centre.search.directory import Directory
from centre.search.filler import Filler
from centre.settings import ask_since_ns
from centre.shown import Shown
from centre.site_view import SiteView, view_of
from centre.statistics.passages import Passages
from centre.statistics.sampler import Sampler
from centre.storage import Storage
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.violation_writer import ViolationWriter, own_clock_of
from centre.workers.watch import WorkerWatch
from centre.writer import Writer
from core.times import STAMP_NS_MIN
from edge.clock import Clock
from edge.config import Site, address_of, is_loopback
from edge.exposition import Values
from edge.log import Logger
from edge.metrics import Health
from edge.sections import RetentionConfig
from geofence.plausible import bounds_of

SUMMARY_S = 1.0
TEND_S = 1.0  # between two looks at the database's file
SUMMARIES_PER_TABLE = 2  # the table of all RSUs is sent with each second summary


class Damage:
    """The first damage of the database that any part of the centre meets ends all of them."""

    def __init__(self) -> None:
        self.fault: str | None = None
        self._found = asyncio.Event()

    def report(self, fault: str) -> None:
        """Report a damage; called in the event loop."""
        self.fault = self.fault or fault
        self._found.set()

    async def end_on_it(self) -> None:
        """Wait for a damage; raises DamagedError."""
        await self._found.wait()
        raise DamagedError(self.fault)


@dataclass(slots=True)
class Centre:
    """One running centre, made by `build_centre`: call `start`, then `run` while it serves, then `close`."""

    site: SiteView
    stop: asyncio.Event  # set it to end the streams
    log: Logger
    broker: BrokerLink  # connect it before `run`
    database: Database
    writer: Writer
    ingest: Ingest
    tracks: TrackHub
    feed: EventFeed
    overview: Overview
    health: Health
    storage: Storage
    damage: Damage
    presence: CentrePresence
    asker: Asker
    listener: FeedListener | None  # where other processes may write the database too
    shown: Shown
    outward: Outward
    present: Present  # what the feed announces besides violations and units, by kind
    desk: Desk
    access: Access
    now_ns: Callable[[], int]
    directory: Directory
    parts: dict[str, Callable[[], Awaitable[None]]]  # what further parts do while the centre runs, by name
    history: History | None  # where all vehicles were; None: there is no folder for it
    beside: Beside
    log_checks: LogChecks

    async def start(self) -> None:
        """Restore the units' states from the database; raises UnreadableError."""
        await self.overview.restore()
        await self.access.start()
        await self.feed.start()
        if self.history is not None:
            self.tracks.on_screened = self.history.offer
            self.history.start()
        await self.outward.sender.begin()

    async def run(self) -> None:
        """Commit messages, move the feed and publish the present state, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.ingest.run(), name="centre.ingest")
            tasks.create_task(self.feed.run(), name="centre.event_stream")
            tasks.create_task(self._look_after_storage(), name="centre.storage")
            beside: dict[str, Callable[[], Awaitable[None]]] = {
                "tracks": self.tracks.run, "state": self._publish_state, "asker": self.asker.run,
                "access": self.access.run,
            }  # fmt: skip
            if self.history is not None:
                beside["history"] = partial(self.history.follow, self.database)
            if self.storage.refused is None:  # what can't be read can't be mended either
                beside |= self.desk.works | self.outward.works | self.parts | {"audit": self.log_checks.run}
            for name, run in beside.items():
                tasks.create_task(self.beside.keep(name, run), name=f"centre.{name}")
            if self.storage.refused is not None:
                tasks.create_task(self.storage.until_healed(), name="centre.healed")
                return
            tasks.create_task(self.damage.end_on_it(), name="centre.damage")
            if self.listener is not None:
                tasks.create_task(self.listener.run(), name="centre.feed_listener")
            if self.storage.path is not None:
                tasks.create_task(Check(self.storage.path).run(self.damage.report), name="centre.check")

    async def _look_after_storage(self) -> None:
        while True:
            await asyncio.sleep(TEND_S)
            await self.writer.tend()

    def close(self) -> None:
        """End the threads after the work that they have accepted, then close the database."""
        self.access.close()
        self.writer.close()
        if self.history is not None:
            self.history.close()
        self.database.close()
        self.storage.close()

    async def _publish_state(self) -> None:
        """Send the present state each second of real time, even where a simulation's clock runs otherwise."""
        turn = 0
        while True:
            if turn % SUMMARIES_PER_TABLE == 0:
                with contextlib.suppress(UnreadableError):
                    await self.overview.refresh()
                table = self.overview.rsu_table()
                self.feed.publish_state("rsus", msgspec.json.encode(table))
                if self.history is not None:
                    self.history.units(table["rsus"])
            self.feed.publish_state("summary", msgspec.json.encode(await self.overview.summary()))
            turn += 1
            await asyncio.sleep(SUMMARY_S)


def build_centre(
    site: Site, storage: Storage, clock: Clock, stop: asyncio.Event, log: Logger, main_id: str | None = None
) -> Centre:
    """Return the centre of a site on an open database, which the centre closes.

    main_id : the site's first centre, where this is the second; None: this one
    """
    engine, damage, beside, own_clock = storage.engine, Damage(), Beside(log), own_clock_of(storage.engine)
    view, started_ns, tracks = view_of(site), clock.now_ns(), TrackHub(own_clock.believed)
    (rsus, gateways), broker = _units(site, started_ns, own_clock), BrokerLink(started_ns)
    metrics = Metrics(
        configs=site.config.rsu, rsus=rsus, gateways=gateways, peers=lambda: ingest.peers,
        now_ns=clock.now_ns, database=storage.path,
    )  # fmt: skip
    tracks.on_snapshot, shown = metrics.received_snapshot, Shown(metrics.stored.latency, clock.now_ns)
    bounds = bounds_of(site.config.site.origin, view.range_m, view.map_version)
    writer = Writer(
        ViolationWriter(engine, clock.now_ns, beside.bugs.note, own_clock), log, lambda: feed.wake(), bounds,
        storage, damage.report, metrics.stored.stored,
    )  # fmt: skip
    database = Database(
        engine, Reader(engine, beside.note), lambda: writer.fault or writer.storage_fault, log, damage.report
    )
    access = Access(engine, database.read, writer.run, _access_facts(site, clock))
    present: Present = {}
    feed = EventFeed(
        FeedEvents(database, lambda: overview, shown, present, beside.note).read, database.bounds
    )
    history = open_history(site, storage.path, clock.now_ns, log, own_clock.agrees)
    recorders = _recorders(site, tracks, lambda: overview, database, writer, clock.now_ns, own_clock)
    status = begin_presence(
        engine, centre=site.config.centre.id, acks=site.config.centre.acks, now_ns=clock.now_ns,
        ready=lambda: database.fault is None,
    )  # fmt: skip
    ingest = Ingest(
        writer=writer, centre=status.database, centre_id=status.centre, main_id=main_id,
        now_ns=clock.now_ns, rsus=rsus, gateways=gateways, tracks=tracks, publish=broker.publish,
        share="units" if site.config.centre.ingest == "workers" else "all", own_clock=own_clock,
    )  # fmt: skip
    listener = FeedListener(engine, feed.wake, log) if postgresql.is_postgresql(engine) else None
    outward = build_outward(site, database, writer, ingest, broker, clock.now_ns, log)
    present |= outward.presents
    asker = Asker(
        centre=status.database, since_ns=ask_since_ns(engine, oldest_kept_ns(site, started_ns)),
        database=database, writer=writer, rsus=rsus, gaps=lambda: overview.gaps(),
        publish=broker.publish, now_ns=clock.now_ns, kept_ns=kept_ns(site),
    )  # fmt: skip
    overview = _overview(
        site, clock, rsus, gateways, tracks, database, broker, ingest, storage, asker, history,
        main_id=main_id, shared=listener is not None, started_ns=started_ns,
        own_counts=_counts_of(
            writer, feed, tracks, database.reader, storage, asker, shown, metrics.stored.latency, access,
            listener, history, beside.bugs, *recorders.values(),
        ) + list(outward.counts), beside=beside, platforms=outward.sender.silent,
    )  # fmt: skip
    looks = _looks(rsus, gateways, broker, database, overview, own_clock)
    desk = _desk(site, view, looks, database, writer, feed, overview, present, status, ingest, beside, broker)
    return Centre(
        site=view, stop=stop, log=log, broker=broker, database=database, writer=writer, ingest=ingest,
        tracks=tracks, feed=feed, overview=overview, storage=storage, damage=damage, presence=status,
        asker=asker, shown=shown, listener=listener, present=present, desk=desk, access=access,
        outward=outward, history=history, parts={k: v.run for k, v in recorders.items()}, beside=beside,
        now_ns=clock.now_ns, directory=Directory(site.vehicles, site.permits),
        log_checks=LogChecks(engine, database.read, writer.run, clock.now_ns),
        health=Health(
            overview.ready, lambda: overview.counts()["centre"],
            lambda: metrics.samples() | overview.gauges() | _work(ingest, feed, tracks),
            histograms=metrics.histograms, expected=EXPECTED,
        ),
    )  # fmt: skip


def _overview(
    site: Site,
    clock: Clock,
    rsus: UnitRegistry,
    gateways: UnitRegistry,
    tracks: TrackHub,
    database: Database,
    broker: BrokerLink,
    ingest: Ingest,
    storage: Storage,
    asker: Asker,
    history: History | None,
    *,
    main_id: str | None,
    shared: bool,
    started_ns: int,
    own_counts: list[Counter[str]],
    beside: Beside,
    platforms: Callable[[], Mapping[str, str]],
) -> Overview:
    """Return what shows the present state of all parts."""
    config = site.config
    return Overview(
        configs=config.rsu, now_ns=clock.now_ns, rsus=rsus, gateways=gateways, tracks=tracks,
        database=database, broker=broker, peers=ingest.peers, own_counts=[ingest.counts, *own_counts],
        storage=storage, asked=asker.figures, strangers=ingest.gate.strangers,
        other_centre=main_id or (None if config.standby is None else config.standby.id),
        shared=shared,
        workers=WorkerWatch(expected=config.centre.ingest == "workers", started_ns=started_ns),
        history=lambda: [] if history is None else history.notices(), beside=beside, platforms=platforms,
        doubts_clock=lambda: ingest.own_clock.is_doubted,
    )  # fmt: skip


def _units(site: Site, started_ns: int, own_clock: OwnClock) -> tuple[UnitRegistry, UnitRegistry]:
    """Return the registries of the RSUs and of the gateway."""
    gateway, judged_ns = site.config.gateway, own_clock.believed
    rsus = UnitRegistry("rsu", [rsu.esn for rsu in site.config.rsu], started_ns, judged_ns)
    return rsus, UnitRegistry("gateway", () if gateway is None else (gateway.id,), started_ns, judged_ns)


def _counts_of(*parts: Any) -> list[Counter[str]]:
    """Return the counters of the parts that there are."""
    return [part.counts for part in parts if part is not None]


def _access_facts(site: Site, clock: Clock) -> Facts:
    config = site.config.centre
    limits = Limits(idle_s=config.idle_min * 60.0, lasts_s=config.session_h * 3_600.0)
    is_local = is_loopback(address_of(config.http)[0])
    return Facts(clock.now_ns, f"petroroad-{config.id}", limits, is_local=is_local)


def _recorders(
    site: Site,
    tracks: TrackHub,
    overview: Callable[[], Overview],
    database: Database,
    writer: Writer,
    now_ns: Callable[[], int],
    own_clock: OwnClock,
) -> dict[str, Filler | Sampler]:
    """Return what fills the tables of search and statistics while the centre runs, by name."""
    read = partial(database.read, database.reader.read)
    passages = Passages({rsu.esn: sum(rsu.stretch_m) / 2.0 for rsu in site.config.rsu})
    tracks.on_tracks = passages.receive
    sampler = Sampler(
        rows=lambda: overview().rsu_table()["rsus"], passages=passages, read=read, run=writer.run,
        now_ns=now_ns, aged_ns=Ages(own_clock).now_ns,
    )  # fmt: skip
    return {"search": Filler(read, writer.run, database.log), "statistics": sampler}


def _looks(
    rsus: UnitRegistry,
    gateways: UnitRegistry,
    broker: BrokerLink,
    database: Database,
    overview: Overview,
    own_clock: OwnClock,
) -> View:
    """Return what looks for losses of view."""
    return View(
        rsus, gateways, broker.state, lambda: database.fault, lacks_workers=overview.lacks_workers,
        doubts_clock=lambda now_ns: own_clock.believed(now_ns) == NO_TIME_NS,
    )  # fmt: skip


def _desk(
    site: Site,
    view: SiteView,
    looks: View,
    database: Database,
    writer: Writer,
    feed: EventFeed,
    overview: Overview,
    present: Present,
    presence: CentrePresence,
    ingest: Ingest,
    beside: Beside,
    broker: BrokerLink,
) -> Desk:
    """Return the desk, whose figures and events the other parts show."""
    desk = Desk(
        policy=policy_of(site.config.desk, road_of(msgspec.json.decode(view.description))), view=looks,
        publish=feed.publish_state, kept_days=(site.config.retention or RetentionConfig()).plates_days,
        database=database, writer=writer, now_ns=presence.now_ns,
        is_dead=lambda esn: esn in overview.offline(), is_busy=lambda: ingest.waiting[0] > 0,
        on_bug=beside.note, aged_ns=Ages(ingest.own_clock).now_ns,
        is_clock_right=lambda now_ns: ingest.own_clock.believed(now_ns) != NO_TIME_NS,
    )  # fmt: skip
    if site.config.standby is not None:
        desk.mirror = DeskMirror(
            presence.centre, presence.epoch, desk.ask, broker.publish, presence.now_ns, desk.counts
        )
    feed.followers.append(desk.wake)
    present.update(desk.presents)
    overview.add_desk(desk.summary, desk.counts)
    return desk


def _work(ingest: Ingest, feed: EventFeed, tracks: TrackHub) -> dict[str, float | Values]:
    """Return how much waits, and for how many pages the centre works."""
    n_messages, n_bytes = ingest.waiting
    return {
        "inbox_depth": n_messages, "inbox_bytes": n_bytes,
        "page_streams": {("events",): feed.n_clients, ("tracks",): tracks.n_viewers},
    }  # fmt: skip


def oldest_kept_ns(site: Site, now_ns: int) -> int:
    """Return the time from which on the RSUs keep their recordings."""
    return max(STAMP_NS_MIN, now_ns - kept_ns(site))


def kept_ns(site: Site) -> int:
    """Return how long the RSUs keep their recordings."""
    retention = site.config.retention or RetentionConfig()
    return int(retention.recordings_days * 86_400e9)
