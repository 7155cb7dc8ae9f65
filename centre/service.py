"""The running centre: broker, database and web interface together, until it is stopped."""

import asyncio
import socket
from dataclasses import dataclass, field

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from structlog.typing import FilteringBoundLogger as Logger

from centre.api import build
from centre.app import Centre, build_centre
from centre.faults import SchemaError, UnreadableError
from centre.ingest import FILTERS, TRACK_FILTERS
from centre.security import loopback
from centre.server import bind, serve
from centre.store import open_database
from edge.clock import Clock
from edge.config import Site
from edge.errors import ConfigError
from edge.link import Link, link_settings
from edge.log import tell_unapplied
from edge.metrics import merged


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
        settings = link_settings(config.mqtt, config.centre.id, where)
        flow_settings = link_settings(config.mqtt, f"{config.centre.id}-tracks", where)
        listener = self._bind("centre.http", host, port)
        try:
            centre = self._open_centre()
        except ConfigError:
            listener.close()
            raise
        link = Link(
            settings,
            subscriptions=FILTERS,
            on_message=centre.ingest.hear,
        )
        flow = Link(  # snapshots on their own connection: a violation never waits behind them
            flow_settings,
            subscriptions=TRACK_FILTERS,
            on_message=centre.ingest.hear,
        )
        centre.broker.connect(
            link, lambda: merged(link.counts, {f"flow.{k}": n for k, n in flow.counts.items()})
        )
        try:
            await self._start(centre)
            async with asyncio.TaskGroup() as tasks:
                answers = centre.health.serve(config.centre.health, where, "centre.health")
                parts = [self._run_centre(centre), link.run(), flow.run(), answers]
                working = [tasks.create_task(part) for part in parts]
                tell_unapplied(self.log, self.site.unapplied)
                self.log.info("serving", http=config.centre.http)
                await serve(build(centre), listener, self.stop)
                for task in working:
                    task.cancel()
            self.log.info("stopped")
        finally:
            centre.close()

    async def _start(self, centre: Centre) -> None:
        try:
            await centre.start()
        except UnreadableError as error:
            raise self._no_database("can't be read", error) from error

    async def _run_centre(self, centre: Centre) -> None:
        try:
            await centre.run()
        except* SchemaError as errors:  # somebody changed the tables under us
            raise self._no_database("does not fit", errors.exceptions[0]) from errors

    def _no_database(self, wrong: str, error: BaseException) -> ConfigError:
        rule = f"{wrong}: {str(error).splitlines()[0]}"
        return ConfigError(self.site.where, "centre.database", rule, _shown(self.site.config.centre.database))

    def _open_centre(self) -> Centre:
        try:
            engine = open_database(self.site.config.centre.database)
            return build_centre(self.site, engine, self.clock, self.stop, self.log)
        except SchemaError as error:
            raise self._no_database("does not fit", error) from error
        except (SQLAlchemyError, ImportError) as error:  # ImportError: the driver that the address names
            raise self._no_database("can't be opened", error) from error

    def _bind(self, key: str, host: str, port: int) -> socket.socket:
        try:
            return bind(host, port)
        except OSError as error:
            raise ConfigError(self.site.where, key, f"can't listen: {error}", f"{host}:{port}") from error


def _shown(url: str) -> str:
    """Return a database's address without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:  # no address at all
        return url
