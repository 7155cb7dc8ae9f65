"""A worker: a process without a page that stores violations and journeys from a cluster's queues.

Any number of them share the queues and the centre's PostgreSQL database. Each commits as the centre does, by
the same `Ingest`, and acknowledges to the RSU after that; what comes twice is stored once, by its key.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa

from centre.app import TEND_S, oldest_kept_ns
from centre.beside import Bugs
from centre.changes import Change
from centre.commit_size import OBJECTS_PER_COLLECTION
from centre.database_faults import no_database, opening, until_there
from centre.faults import NotWrittenError, SchemaError
from centre.ingest import Ingest
from centre.settings import ask_since_ns
from centre.site_view import view_of
from centre.status_rows import rsu_statuses
from centre.storage import Storage, open_storage
from centre.store import centre_name
from centre.stored_metrics import StoredMetrics, ahead_ns
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.views.warnings import REFUSED
from centre.violation_writer import ViolationWriter
from centre.worker_queue import Settle, WorkerQueue
from centre.workers.nodes import NodeWatch
from centre.workers.store import beat, forget
from centre.workers.watch import Beat
from centre.writer import Writer
from core.collecting import only_new_collected
from core.errors import ConfigError
from edge.clock import Clock
from edge.config import Site, address_of
from edge.exposition import Values
from edge.figures import merged
from edge.link import LinkSettings
from edge.link_security import LinkSecurity
from edge.log import CountsLog, Logger, warn_unapplied
from edge.metrics import Health
from edge.notify import Notifier
from edge.ports import Ports
from edge.queues import VIOLATIONS
from edge.service import STATUS_S, host_samples
from edge.signing.guard import REFUSALS
from edge.signing.site_guard import site_guard
from edge.tls import Credentials, Holder, check_addresses, credentials
from geofence.plausible import bounds_of

SIGN_OFF_S = 1.0
# shown as 0 before they happen: alerts look at their increase
EXPECTED = (
    "commit.failed", "item.conflict", "item.void", "violation.contradicting", "quarantine.kept", "inbox.full",
    *sorted(REFUSALS),
)  # fmt: skip
SHOWN = ("tls.certificate_", "tls.forged_messages", "tls.insecure", REFUSED)  # of these the centre warns
USUAL = ("violation.stored", "queue.received", "queue.connected", "inbox.repeated")


@dataclass(slots=True)
class WorkerProcess:
    """One worker; setting `stop` ends it."""

    site: Site
    worker: str
    clock: Clock
    log: Logger
    health_at: str | None = None  # HOST:PORT
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Serve until stopped; raises ConfigError for a site without workers or a useless database."""
        site, config, where = self.site, self.site.config, self.site.where
        if config.centre.ingest != "workers":
            raise ConfigError(where, "centre.ingest", 'must be "workers": the centre would store all itself')
        hosts = [address_of(address)[0] for address in config.nats.servers]
        check_addresses(config.mqtt, hosts, where)
        holder = Holder("worker", self.worker)
        tls = credentials(config.mqtt, where, holder)
        queue = WorkerQueue(
            config.nats,
            [f"{'nats' if tls is None else 'tls'}://{address}" for address in config.nats.servers],
            self.worker,
            lambda: None if tls is None else tls.context,
            self.log,
        )

        def open_work() -> _Work:
            with opening(site):
                database = open_storage(config.centre.database, self.log, self._oldest_ns())
                try:
                    return _Work(self, database, queue, tls, holder)
                except BaseException:
                    database.engine.dispose()
                    database.close()
                    raise

        work = await until_there(site, self.log, self.stop, lambda: asyncio.to_thread(open_work))
        if work is None:
            return
        try:
            with only_new_collected(OBJECTS_PER_COLLECTION):
                await work.run()
            self.log.info("stopped")
        except* SchemaError as errors:
            raise no_database(site, "does not fit", errors.exceptions[0]) from errors
        finally:
            work.close()

    def _oldest_ns(self) -> int:
        return oldest_kept_ns(self.site, self.clock.now_ns())


class _Work:
    """The parts of a running worker, connected."""

    def __init__(
        self,
        process: WorkerProcess,
        storage: Storage,
        queue: WorkerQueue,
        tls: Credentials | None,
        holder: Holder,
    ) -> None:
        site, now_ns = process.site, process.clock.now_ns
        self.process, self.queue, self.now_ns = process, queue, now_ns
        self.storage = storage
        self.started_ns = now_ns()
        self.guard = site_guard(site.config.mqtt, site.where, holder)
        servers = tuple(address_of(address) for address in site.config.nats.servers)
        connected = LinkSettings(addresses=servers, client_id=process.worker, tls=tls, signing=self.guard)
        self.security = LinkSecurity(connected, {}, process.log)  # the queue is no MQTT link
        self.security.on_renewed = queue.reconnect
        view = view_of(site)
        bounds = bounds_of(site.config.site.origin, view.range_m, view.map_version)
        engine = storage.engine
        rsus = UnitRegistry("rsu", [rsu.esn for rsu in site.config.rsu], self.started_ns)
        self.stored = StoredMetrics(rsus.rows(), partial(ahead_ns, rsus))
        self.bugs = Bugs(process.log)
        self.nodes = NodeWatch(site.config.nats.servers)
        self.writer = Writer(
            ViolationWriter(engine, now_ns, self.bugs.note), process.log, lambda: None, bounds, storage,
            on_stored=self.stored.stored,
        )  # fmt: skip
        # before the first commit: a database that holds items is taken for one that was never lost
        ask_since_ns(engine, oldest_kept_ns(site, now_ns()))
        self.ingest = Ingest(
            writer=self.writer, centre=centre_name(engine), centre_id=site.config.centre.id, now_ns=now_ns,
            rsus=rsus,
            gateways=UnitRegistry("gateway", (), now_ns()), tracks=TrackHub(), publish=self._publish,
            share="items",
        )  # fmt: skip
        self.rsus, self.bodies = rsus, dict[str, bytes]()  # of their statuses as last read
        self.health = Health(
            self._ready, self._counts, self._samples, histograms=self.stored.histograms, expected=EXPECTED
        )
        self.ports = Ports(process.log.warning)
        self.notifier = Notifier.from_env()

    async def run(self) -> None:
        """Work until the process's `stop`."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(part, name=f"worker.{name}")
                for name, part in {
                    "ingest": self.ingest.run(),
                    "queue": self.queue.run(self._receive),
                    "report": self._report(),
                    "tls": self.security.run(),
                    "tend": self._tend(),
                    "beat": self._beat(),
                    "nodes": self.nodes.run(),
                    "watchdog": self.notifier.watch(lambda: None, self._state),
                    "health": self.health.serve(self.process.health_at, "--health", self.ports),
                }.items()
            ]
            self.notifier.ready()
            self.security.log_start()
            warn_unapplied(self.process.log, self.process.site.unapplied)
            self.process.log.info("serving", servers=list(self.process.site.config.nats.servers))
            await self.process.stop.wait()
            self.notifier.stopping()
            for task in tasks:
                task.cancel()
        await self._sign_off()

    def close(self) -> None:
        """End the writer's thread after what it has accepted, then the connections."""
        self.writer.close()
        self.storage.engine.dispose()
        self.storage.close()

    def _receive(self, topic: str, payload: bytes, settle: Settle) -> None:
        subscriptions = self.ingest.subscriptions

        def admits() -> bool:
            return subscriptions.admits(topic, payload)

        if admits() if self.guard is None else self.guard.guard.accepts(topic, payload, admits):
            subscriptions.dispatch(topic, payload, settle=settle)
        else:
            settle()

    def _publish(self, topic: str, payload: bytes, _qos: int) -> bool:
        if not self.queue.connected:
            return False
        return self.queue.publish(topic, payload if self.guard is None else self._signed(topic, payload))

    def _signed(self, topic: str, payload: bytes) -> bytes:
        assert self.guard is not None, "asked for only with one"
        return self.guard.guard.signed(topic, payload)

    async def _tend(self) -> None:
        """Finish what a commit or a killed worker left behind."""
        while True:
            await asyncio.sleep(TEND_S)
            await self.writer.tend()

    async def _beat(self) -> None:
        """Say in the database that we live, and read there how far each RSU's clock is ahead."""
        while True:
            await self.queue.measure()
            queued = self.queue.depths.get(VIOLATIONS.name)
            found = Beat(
                self.process.worker, self.started_ns, self.now_ns(), queued, self.queue.fault,
                {name: n for name, n in self.security.counts().items() if name.startswith(SHOWN)},
            )  # fmt: skip
            with contextlib.suppress(NotWrittenError):  # it is counted, and the centre sees our silence
                self._restore(await self.writer.run(partial(_beat_and_read, found), f"worker/{found.id}"))
            await asyncio.sleep(STATUS_S)

    def _restore(self, statuses: Sequence[tuple[str, int, bytes]]) -> None:
        for name, since_ns, body in statuses:
            if self.bodies.get(name) != body and name in self.rsus.rows():
                self.bodies[name] = body
                self.rsus.restore(name, since_ns, body)

    async def _sign_off(self) -> None:
        """Delete our row: who ends as asked is missed by nobody."""
        name = self.process.worker
        with contextlib.suppress(NotWrittenError, TimeoutError):
            async with asyncio.timeout(SIGN_OFF_S):
                await self.writer.run(lambda db, _found: forget(db, name), f"worker/{name}")

    async def _report(self) -> None:
        """Log the counters that have grown."""
        counted = CountsLog(self.process.log, USUAL)
        while True:
            await asyncio.sleep(STATUS_S)
            counted.log(self._counts())

    def _counts(self) -> dict[str, int]:
        found: list[Mapping[str, int]]
        found = [part.counts for part in (self.ingest, self.writer, self.queue, self.rsus, self.bugs)]
        found += [self.stored.latency.counts, self.ports.counts]
        return merged(*found, self.security.counts())

    def _samples(self) -> dict[str, float | Values]:
        n_messages, n_bytes = self.ingest.waiting
        faults = (*self.security.faults(), *self.ports.faults())
        shown = host_samples(faults, self.security.certificate_ends_s())
        return shown | self.stored.samples() | {
            "link_up": {("queue",): float(self.queue.connected)},
            "inbox_depth": n_messages, "inbox_bytes": n_bytes,
            "queue_depth": {(name,): float(n) for name, n in self.queue.depths.items()},
            "database_up": self.writer.fault is None,
            "cluster_node_up": {(node,): float(is_up) for node, is_up in self.nodes.up.items()},
        }  # fmt: skip

    def _ready(self) -> tuple[bool, dict[str, Any]]:
        queue, database = self.queue.fault, self.writer.fault
        return queue is None and database is None, {"queue": queue or "open", "database": database or "open"}

    def _state(self) -> str:
        return f"queues {self.queue.fault or 'open'}, database {self.writer.fault or 'open'}"


def _beat_and_read(
    found: Beat, db: sa.Connection, _changes: list[Change]
) -> Sequence[tuple[str, int, bytes]]:
    beat(db, found)
    return rsu_statuses(db)
