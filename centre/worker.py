"""A worker: a process without a page that stores violations and journeys from a cluster's queues.

Any number of them share the queues and the centre's PostgreSQL database. Each commits as the centre does, by
the same `Ingest`, and acknowledges to the RSU after that; what comes twice is stored once, by its key.
"""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.exc import OperationalError, SQLAlchemyError
from structlog.typing import FilteringBoundLogger as Logger

from centre import secrets
from centre.app import TEND_S, oldest_kept_ns
from centre.faults import SchemaError
from centre.ingest import Ingest
from centre.settings import ask_since_ns
from centre.site_view import view_of
from centre.storage import Storage, open_storage
from centre.store import centre_name
from centre.track_hub import TrackHub
from centre.unit_registry import UnitRegistry
from centre.violation_writer import ViolationWriter
from centre.worker_queue import Settle, WorkerQueue
from centre.writer import Writer
from core.errors import ConfigError
from edge.clock import Clock
from edge.config import Site, address_of
from edge.link_security import LOOK_S
from edge.log import CountsLog, warn_unapplied
from edge.metrics import Health
from edge.notify import Notifier
from edge.service import STATUS_S
from edge.signing.site_guard import site_guard
from edge.tls import Credentials, Holder, check_addresses, credentials
from geofence.plausible import bounds_of

DATABASE_AGAIN_S = 2.0
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
        config, where = self.site.config, self.site.where
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
        storage = await self._opened()
        if storage is None:
            return
        work = _Work(self, storage, queue, tls, holder)
        try:
            await work.run()
            self.log.info("stopped")
        except* SchemaError as errors:
            raise self._no_database("does not fit", errors.exceptions[0]) from errors
        finally:
            work.writer.close()
            storage.close()

    async def _opened(self) -> Storage | None:
        """Open the database, and wait for a server that is away; None: stopped meanwhile."""
        while not self.stop.is_set():
            found = await asyncio.to_thread(self._open)
            if found is not None:
                return found
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATABASE_AGAIN_S):
                    await self.stop.wait()
        return None

    def _open(self) -> Storage | None:
        """Open the database; None where its server can't be reached, ConfigError for what lasts."""
        try:
            return open_storage(
                self.site.config.centre.database, self.log, oldest_kept_ns(self.site, self.clock.now_ns())
            )
        except OperationalError as error:  # it starts after us, say
            why = secrets.without(self.site.config.centre.database, str(error).splitlines()[0])
            self.log.warning("database.away", why=why)
            return None
        except SchemaError as error:
            raise self._no_database("does not fit", error) from error
        except ImportError as error:
            raise self._no_database(f"can't be opened: {secrets.DRIVER}", error) from error
        except (SQLAlchemyError, OSError, ValueError) as error:
            raise self._no_database("can't be opened", error) from None  # it may quote the password

    def _no_database(self, wrong: str, error: BaseException) -> ConfigError:
        rule = f"{wrong}: {secrets.without(self.site.config.centre.database, str(error).splitlines()[0])}"
        return ConfigError(self.site.where, "centre.database", rule, secrets.as_written(self.site))


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
        self.process, self.queue, self.tls = process, queue, tls
        self.guard = site_guard(site.config.mqtt, site.where, holder)
        view = view_of(site)
        bounds = bounds_of(site.config.site.origin, view.range_m, view.map_version)
        engine = storage.engine
        self.writer = Writer(ViolationWriter(engine, now_ns), process.log, lambda: None, bounds, storage)
        # before the first commit: a database that holds items is taken for one that was never lost
        ask_since_ns(engine, oldest_kept_ns(site, now_ns()))
        self.ingest = Ingest(
            writer=self.writer, centre=centre_name(engine), centre_id=site.config.centre.id, now_ns=now_ns,
            rsus=UnitRegistry("rsu", [rsu.esn for rsu in site.config.rsu], now_ns()),
            gateways=UnitRegistry("gateway", (), now_ns()), tracks=TrackHub(), publish=self._publish,
            share="items",
        )  # fmt: skip
        self.health = Health(self._ready, self._counts)
        self.notifier = Notifier.from_env()

    async def run(self) -> None:
        """Work until the process's `stop`."""
        where = self.process.site.where
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(part, name=f"worker.{name}")
                for name, part in {
                    "ingest": self.ingest.run(),
                    "queue": self.queue.run(self._receive),
                    "report": self._report(),
                    "tend": self._tend(),
                    "watchdog": self.notifier.watch(lambda: None, self._state),
                    "health": self.health.serve(self.process.health_at, where, "--health"),
                }.items()
            ]
            self.notifier.ready()
            warn_unapplied(self.process.log, self.process.site.unapplied)
            self.process.log.info("serving", servers=list(self.process.site.config.nats.servers))
            await self.process.stop.wait()
            self.notifier.stopping()
            for task in tasks:
                task.cancel()

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

    async def _report(self) -> None:
        """Log the counters that have grown, and follow the files of certificates and keys."""
        counted, looked_s = CountsLog(self.process.log, USUAL), 0.0
        while True:
            await asyncio.sleep(STATUS_S)
            counted.log(self._counts())
            looked_s += STATUS_S
            if looked_s >= LOOK_S:
                looked_s = 0.0
                self._look()

    def _look(self) -> None:
        if self.tls is not None and self.tls.refresh() == "other_certificate":
            self.process.log.info("tls.reloaded")
            self.queue.reconnect()
        if self.guard is not None and self.guard.refresh():
            self.process.log.info("signing.reloaded")

    def _counts(self) -> dict[str, int]:
        found: Counter[str] = self.ingest.counts + self.writer.counts + self.queue.counts
        if self.guard is not None:
            found.update(self.guard.guard.counts)
        if self.tls is not None:
            found.update(self.tls.counts)
        return dict(found)

    def _ready(self) -> tuple[bool, dict[str, Any]]:
        queue, database = self.queue.fault, self.writer.fault
        return queue is None and database is None, {"queue": queue or "open", "database": database or "open"}

    def _state(self) -> str:
        return f"queues {self.queue.fault or 'open'}, database {self.writer.fault or 'open'}"
