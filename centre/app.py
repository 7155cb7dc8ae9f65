"""The running centre: its parts, and the one function that builds and connects them; without HTTP."""

import asyncio
import contextlib
from dataclasses import dataclass

import msgspec
import sqlalchemy as sa
from structlog.typing import FilteringBoundLogger as Logger

from centre.broker import BrokerLink
from centre.database import Database
from centre.event_stream import Event, EventFeed, lines_of
from centre.faults import UnreadableError
from centre.ingest import Ingest
from centre.overview import Overview
from centre.presence import CentrePresence, begin_presence
from centre.reader import Reader
from centre.site_view import SiteView, view_of
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.violation_writer import ViolationWriter
from centre.writer import Writer
from edge.clock import Clock
from edge.config import Site
from edge.metrics import Health
from geofence.plausible import bounds_of

SUMMARY_S = 1.0
SUMMARIES_PER_TABLE = 2  # the table of all RSUs is sent with each second summary


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
    presence: CentrePresence

    async def start(self) -> None:
        """Restore the units' states from the database; raises UnreadableError."""
        await self.overview.restore()
        await self.feed.start()

    async def run(self) -> None:
        """Commit messages, move the feed and publish the present state, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.ingest.run(), name="centre.ingest")
            tasks.create_task(self.feed.run(), name="centre.event_stream")
            tasks.create_task(self._publish_state(), name="centre.publish_state")

    def close(self) -> None:
        """End the threads after the work that they have accepted, then close the database."""
        self.writer.close()
        self.database.close()

    async def _publish_state(self) -> None:
        """Send the present state each second of real time, even where a simulation's clock runs otherwise."""
        turn = 0
        while True:
            if turn % SUMMARIES_PER_TABLE == 0:
                with contextlib.suppress(UnreadableError):
                    await self.overview.refresh()
                self.feed.publish_state("rsus", msgspec.json.encode(self.overview.rsu_table()))
            self.feed.publish_state("summary", msgspec.json.encode(await self.overview.summary()))
            turn += 1
            await asyncio.sleep(SUMMARY_S)


def build_centre(
    site: Site,
    engine: sa.Engine,
    clock: Clock,
    stop: asyncio.Event,
    log: Logger,
    main_id: str | None = None,
) -> Centre:
    """Return the centre of a site on an open database, which the centre closes.

    main_id : the site's first centre, where this is the second; None: this one
    """
    view = view_of(site)
    started_ns = clock.now_ns()
    gateway = site.config.gateway
    rsus = UnitRegistry("rsu", [rsu.esn for rsu in site.config.rsu], started_ns)
    gateways = UnitRegistry("gateway", () if gateway is None else (gateway.id,), started_ns)
    tracks, broker = TrackHub(), BrokerLink(started_ns)
    violation_writer = ViolationWriter(engine, clock.now_ns)
    bounds = bounds_of(site.config.site.origin, view.range_m, view.map_version)
    writer = Writer(violation_writer, log, lambda: feed.wake(), bounds)
    database = Database(engine, Reader(engine, lambda: violation_writer.settled_n), lambda: writer.fault, log)
    feed = EventFeed(lambda after, limit: _events(database, overview, after, limit), database.bounds)
    presence = begin_presence(
        engine,
        centre=site.config.centre.id,
        acks=site.config.centre.acks,
        now_ns=clock.now_ns,
        ready=lambda: database.fault is None,
    )
    ingest = Ingest(
        writer=writer,
        centre=presence.database,
        centre_id=presence.centre,
        main_id=main_id,
        now_ns=clock.now_ns,
        rsus=rsus,
        gateways=gateways,
        tracks=tracks,
        publish=broker.publish,
    )
    overview = Overview(
        configs=site.config.rsu,
        now_ns=clock.now_ns,
        rsus=rsus,
        gateways=gateways,
        tracks=tracks,
        database=database,
        broker=broker,
        peers=ingest.peers,
        own_counts=(ingest.counts, writer.counts, feed.counts, tracks.counts, database.reader.counts),
    )
    return Centre(
        site=view,
        stop=stop,
        log=log,
        broker=broker,
        database=database,
        writer=writer,
        ingest=ingest,
        tracks=tracks,
        feed=feed,
        overview=overview,
        health=Health(overview.ready, lambda: overview.counts()["centre"], overview.gauges),
        presence=presence,
    )


async def _events(database: Database, overview: Overview, after: int, limit: int) -> list[Event]:
    """Return the committed changes after a cursor as server-sent events; a unit's row is the present one."""
    events = []
    for change in await database.read(database.reader.changes, after, limit):
        if change.kind == "violation" and change.data is None:
            events.append(Event(change.n, b"id: %d\n\n" % change.n))  # moves the cursor, shows nothing
            continue
        data = change.data if change.kind == "violation" else overview.unit(change.kind, change.key)
        events.append(Event(change.n, lines_of(change.kind, msgspec.json.encode(data), change.n)))
    return events
