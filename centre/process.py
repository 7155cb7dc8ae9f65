"""The centre as a process: its database and its web interface, in the process shell of `edge.service`."""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from centre.access.page_tls import REFRESH_S
from centre.api import build
from centre.app import Centre, build_centre, oldest_kept_ns
from centre.commit_size import OBJECTS_PER_COLLECTION
from centre.database_faults import is_away, no_database, opening, until_there
from centre.database_file import path_of
from centre.faults import DamagedError, SchemaError, UnreadableError
from centre.ingest import TRACKS
from centre.refused_disk import HealedError
from centre.security import Door, door_of
from centre.server import bind, serve
from centre.storage import SpentError, TakenError, hold, mend, open_storage
from core.collecting import only_new_collected
from core.errors import ConfigError
from edge.broker_ends import BrokerEnds
from edge.clock import Clock
from edge.config import Site, address_of
from edge.log import Logger
from edge.memory import bound_heap, give_back
from edge.service import Reporting, Service, Shell
from edge.subscriptions import MAIN
from edge.tls import Holder

# libraries that the start needs: the map is projected once
STARTERS = ("libproj", "libgeos", "libtiff", "libcurl", "openblas")


@dataclass(slots=True)
class CentreProcess:
    """One centre process; setting `stop` ends it within two seconds."""

    site: Site
    clock: Clock
    log: Logger
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    main_id: str | None = None  # of the site's first centre, where this is the second
    is_demo: bool = False  # whoever sits here is the demo's user

    @property
    def section(self) -> str:
        """The section of the site file that configures this centre."""
        return "centre" if self.main_id is None else "standby"

    async def run(self) -> None:
        """Serve until stopped; raises ConfigError where the database can't be used.

        A database that turns out to be damaged is mended, and served again: pages connect anew by themselves.
        So is one whose disk was full or read-only at the start, once it takes writes.
        """
        bound_heap()
        while True:
            ended = await self._serve()
            if ended is None:
                return
            if isinstance(ended, DamagedError):
                await asyncio.to_thread(self._mend, str(ended))
            else:
                self.log.warning("database.healed", why=str(ended))

    async def _serve(self) -> DamagedError | HealedError | None:
        """Serve until stopped; return what ended it before, None for a clean end."""
        config = self.site.config
        door = door_of(self.site, self.section)
        clients = {MAIN: config.centre.id, TRACKS: f"{config.centre.id}-tracks"}
        shell = Shell("centre", self.site, self.clock, self.log, clients, Holder("centre", config.centre.id))
        centre = await until_there(self.site, self.log, self.stop, self._open_centre)
        if centre is None:
            return None
        centre.broker.connect(shell.main, shell.link_counts)
        settings = shell.main.settings
        centre.broker.ends = BrokerEnds(settings.addresses, settings.tls)
        if shell.main.guard is not None:
            centre.ingest.report_replays(shell.main.guard.refuse)
        ended: DamagedError | HealedError | None = None
        try:
            await self._start(centre)
            # an exception in a callback comes from the web server: it costs one connection only
            await shell.run(
                _CentreService(centre, shell, self.section, door, self._no_database), ends_on_bug=False
            )
            self.log.info("stopped")
        except* (DamagedError, HealedError) as errors:
            ended = _first(errors)
        finally:
            centre.close()
        return ended

    async def _start(self, centre: Centre) -> None:
        async def begin() -> bool:
            try:
                await centre.start()
            except UnreadableError as error:
                if centre.damage.fault is not None:
                    raise DamagedError(centre.damage.fault) from error
                if isinstance(error.__cause__, OperationalError) and is_away(self.site, error.__cause__):
                    raise error.__cause__ from None
                raise self._no_database("can't be read", error) from error
            return True

        await until_there(self.site, self.log, self.stop, begin)
        if not centre.access.facts.is_local and not centre.access.has_accounts:
            rule = (
                "beyond this machine people sign in, and there is no account: petroroad centre user add NAME "
                f"--role administrator --config {self.site.where}"
            )
            raise ConfigError(self.site.where, f"{self.section}.http", rule, self.site.config.centre.http)

    def _no_database(self, wrong: str, error: BaseException) -> ConfigError:
        return no_database(self.site, wrong, error, self.section)

    async def _open_centre(self) -> Centre:
        try:
            with opening(self.site, self.section):
                storage = open_storage(self.site.config.centre.database, self.log, self._oldest_ns())
                try:
                    centre = build_centre(self.site, storage, self.clock, self.stop, self.log, self.main_id)
                    centre.access.facts.is_demo = self.is_demo
                    return centre
                except BaseException:
                    storage.engine.dispose()
                    storage.close()
                    raise
        except (TakenError, SpentError) as error:
            raise self._no_database("can't be used", error) from error

    def _mend(self, fault: str) -> None:
        path = path_of(self.site.config.centre.database)
        assert path is not None, "only a file is damaged"
        try:
            lock = hold(path)
            try:
                mend(path, fault, self.log, self._oldest_ns())
            finally:
                os.close(lock)
        except (TakenError, SpentError, SQLAlchemyError, OSError, sqlite3.Error) as error:
            raise self._no_database("is damaged and can't be mended", error) from error

    def _oldest_ns(self) -> int:
        return oldest_kept_ns(self.site, self.clock.now_ns())


class _CentreService(Service):
    """The centre as the process shell sees it; its work is to serve the page."""

    usual = ("violation.stored", "link.connected", "flow.link.connected", "track.skipped", "track.overtaken",
        "feed.dropped", "http.no_request",
    )  # fmt: skip

    def __init__(
        self,
        centre: Centre,
        shell: Shell,
        section: str,
        door: Door,
        no_database: Callable[..., ConfigError],
    ) -> None:
        self.centre, self.shell, self.section, self.no_database = centre, shell, section, no_database
        self.door = door
        self.subscriptions, self.health = centre.ingest.subscriptions, centre.health

    @property
    def health_at(self) -> tuple[str | None, str]:
        return self.shell.site.config.centre.health, "centre.health"

    @property
    def reporting(self) -> Reporting:
        presence = self.centre.presence
        return Reporting(status=presence.status, epoch=lambda: presence.epoch)

    def count(self, reason: str) -> None:
        self.centre.ingest.counts[reason] += 1

    def counts(self) -> dict[str, int]:
        return self.centre.overview.counts()["centre"]

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        parts = {"centre": self._run_centre(), "page_tls": self._follow_certificate()}
        ends = self.centre.broker.ends
        return parts if ends is None else parts | {"brokers": ends.run()}

    async def _follow_certificate(self) -> None:
        """Serve the page's new certificate once its files are replaced."""
        tls = self.door.certificate
        while tls is not None:
            tls.note_fault()
            for reason, n in tls.counts.items():
                self.centre.access.counts[reason] = n
            await asyncio.sleep(REFRESH_S)
            if await asyncio.to_thread(tls.refresh):
                self.shell.log.info("page_tls.reloaded", days_left=round(tls.days_left(datetime.now(UTC))))
            elif tls.problem is not None:
                self.shell.log.warning("page_tls.reload_failed", error=tls.problem)

    async def _run_centre(self) -> None:
        try:
            await self.centre.run()
        except* SchemaError as errors:  # another program changed the tables meanwhile
            raise self.no_database("does not fit", errors.exceptions[0]) from errors

    async def work(self) -> None:
        """Serve the page until stopped."""
        self.shell.log_start("serving", http=self.shell.site.config.centre.http)
        await asyncio.to_thread(give_back, *STARTERS)
        with only_new_collected(OBJECTS_PER_COLLECTION):
            tls = self.door.certificate
            app = build(self.centre, door=self.door)
            context = None if tls is None else tls.context
            http = self.shell.site.config.centre.http

            async def serve_page(on_open: Callable[[], None]) -> None:
                with bind(*address_of(http)) as listener:
                    on_open()
                    await serve(app, listener, self.centre.stop, context, self.shell.on_http_end)

            # violations are stored while another program holds the page's port
            await self.shell.ports.keep(f"{self.section}.http", http, serve_page, self.centre.stop)


def _first(group: BaseExceptionGroup[DamagedError | HealedError]) -> DamagedError | HealedError:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    assert isinstance(found, DamagedError | HealedError), "the group has no others"
    return found


def standby_of(site: Site) -> Site:
    """Return the site as its second centre sees it: `[standby]` in place of `[centre]`; ConfigError."""
    config, standby = site.config, site.config.standby
    if standby is None:
        raise ConfigError(site.where, "standby", "is missing: the site has one centre")
    centre = msgspec.structs.replace(
        config.centre, id=standby.id, database=standby.database, http=standby.http, health=standby.health,
        hosts=standby.hosts, certificate=standby.certificate, key=standby.key,
        ingest="self", history=standby.history,
    )  # fmt: skip
    return replace(site, config=msgspec.structs.replace(config, centre=centre))
