"""The centre as a process: its database and web interface, in the shell that all processes have."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from structlog.typing import FilteringBoundLogger as Logger

from centre.api import build
from centre.faults import SchemaError, UnreadableError
from centre.hall import Hall
from centre.ingest import TRACKS
from centre.security import loopback
from centre.server import bind, serve
from centre.store import open_database
from core.errors import ConfigError
from edge.clock import Clock
from edge.config import Site
from edge.service import Service as ShellService
from edge.service import Shell
from edge.subscriptions import MAIN


@dataclass(slots=True)
class Service:
    """One centre; `stop` ends it within two seconds."""

    site: Site
    clock: Clock
    log: Logger
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Serve until stopped; raises ConfigError where it can't begin."""
        config, where = self.site.config, self.site.where
        host, port = loopback(config.centre.http, where)
        clients = {MAIN: config.centre.id, TRACKS: f"{config.centre.id}-tracks"}
        shell = Shell("centre", self.site, self.clock, self.log, clients)
        listener = self._bind("centre.http", host, port)
        try:
            hall = self._open_hall()
        except ConfigError:
            listener.close()
            raise
        hall.link, hall.link_counts = shell.main, shell.link_counts
        try:
            await self._start(hall)
            # an exception in a callback is the web server's: it costs one connection, never the centre
            await shell.run(_HallService(hall, shell, listener, self._no_database), ends_on_bug=False)
            self.log.info("stopped")
        finally:
            hall.close()

    async def _start(self, hall: Hall) -> None:
        try:
            await hall.start()
        except UnreadableError as error:
            raise self._no_database("can't be read", error) from error

    def _no_database(self, wrong: str, error: BaseException) -> ConfigError:
        rule = f"{wrong}: {str(error).splitlines()[0]}"
        return ConfigError(self.site.where, "centre.database", rule, _shown(self.site.config.centre.database))

    def _open_hall(self) -> Hall:
        try:
            engine = open_database(self.site.config.centre.database)
            return Hall(self.site, engine, self.clock, self.stop, self.log)
        except SchemaError as error:
            raise self._no_database("does not fit", error) from error
        except (SQLAlchemyError, ImportError) as error:  # ImportError: the driver that the address names
            raise self._no_database("can't be opened", error) from error

    def _bind(self, key: str, host: str, port: int) -> socket.socket:
        try:
            return bind(host, port)
        except OSError as error:
            raise ConfigError(self.site.where, key, f"can't listen: {error}", f"{host}:{port}") from error


class _HallService(ShellService):
    """The hall's tasks, and its page until the centre is stopped."""

    usual = ("violation.stored", "link.connected", "flow.link.connected", "track.skipped", "feed.dropped")

    def __init__(
        self, hall: Hall, shell: Shell, listener: socket.socket, no_database: Callable[..., ConfigError]
    ) -> None:
        self.hall, self.shell, self.listener, self.no_database = hall, shell, listener, no_database
        self.subscriptions, self.health = hall.ingest.subscriptions, hall.health

    @property
    def health_at(self) -> tuple[str | None, str]:
        return self.shell.site.config.centre.health, "centre.health"

    def count(self, reason: str) -> None:
        self.hall.ingest.counts[reason] += 1

    def counts(self) -> dict[str, int]:
        return self.hall.counts()["centre"]

    def background(self) -> dict[str, Coroutine[Any, Any, None]]:
        return {"hall": self._run_hall()}

    async def _run_hall(self) -> None:
        try:
            await self.hall.run()
        except* SchemaError as errors:  # somebody changed the tables under us
            raise self.no_database("does not fit", errors.exceptions[0]) from errors

    async def work(self) -> None:
        """Serve the page until stopped."""
        self.shell.log_start("serving", http=self.shell.site.config.centre.http)
        await serve(build(self.hall), self.listener, self.hall.stop)


def _shown(url: str) -> str:
    """Return a database's address without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:  # no address at all
        return url
