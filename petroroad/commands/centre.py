"""`petroroad centre`: the supervision centre and its page in one process; backup and restore."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import uvloop
from cyclopts import App, Parameter
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from centre import backup as backups
from centre import reports, secrets
from centre.access.page_tls import page_tls
from centre.database_file import path_of
from centre.faults import SchemaError
from centre.process import CentreProcess, standby_of
from centre.storage import TakenError
from centre.words import Lang
from centre.worker import WorkerProcess
from core.errors import CommandError, ConfigError, UsageError
from edge import log
from edge.clock import Clock
from edge.config import Site, is_address, load_site
from edge.topics import NAME
from petroroad.commands import accounts
from petroroad.demo import DEMO_VARIABLE

app = App(name="centre", help="The supervision centre and its page.")
app.command(accounts.user)
app.command(accounts.audit)
Source = Annotated[Path, Parameter(name="--from")]


@app.default
def centre(
    *, config: Path, standby: Annotated[bool, Parameter(name="--standby", negative=())] = False
) -> None:
    """Receive violations, store them and show them, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file; `[centre]` names the database and the page's address.
    standby
        Run the site's second centre, which `[standby]` configures.
    """
    site, main_id = load_site(config), None
    if standby:
        site, main_id = standby_of(site), site.config.centre.id

    async def run() -> None:
        service = CentreProcess(site, Clock.from_env(), log.setup(part="centre"), main_id=main_id)
        service.is_demo = bool(os.environ.get(DEMO_VARIABLE))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop.set)
        await service.run()

    if sys.stderr.isatty():
        scheme = "http" if page_tls(site) is None else "https"
        sys.stderr.write(f"the page: {scheme}://{site.config.centre.http}/\n")
    uvloop.run(run())


@app.command
def worker(*, config: Path, id_: Annotated[str, Parameter(name="--id")], health: str | None = None) -> None:
    """Store violations and journeys from a cluster's queues for the centre, until SIGINT or SIGTERM.

    Parameters
    ----------
    config
        The site file, with `[centre] ingest = "workers"` and `[nats]`.
    id_
        This worker's name: of its certificate (role worker) and its connection.
    health
        HOST:PORT that serves /healthz, /readyz and /metrics.
    """
    if not NAME.fullmatch(id_):
        raise UsageError(f"--id {id_}: must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
    if health is not None and not is_address(health):
        raise UsageError(f"--health {health}: must be HOST:PORT")
    site = load_site(config)

    async def run() -> None:
        logger = log.setup(part="worker", worker=id_)
        service = WorkerProcess(site, id_, Clock.from_env(), logger, health)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, service.stop.set)
        await service.run()

    uvloop.run(run())


@app.command
def backup(*, config: Path, to: Path) -> None:
    """Copy the database to a file while the centre runs: one moment of it, checked.

    Parameters
    ----------
    config
        The site file.
    to
        The file; one of this name is replaced once the copy is whole.
    """
    n_bytes = backups.back_up(_file_of(load_site(config), 'pg_dump --format=custom --file="$FILE"'), to)
    print(f"{to}: {n_bytes} bytes, sound")


@app.command
def restore(*, config: Path, source: Source) -> None:
    """Put a backup in the place of the database; the centre must not run. RSUs are asked for what is newer.

    Parameters
    ----------
    config
        The site file.
    source
        What `centre backup` wrote.
    """
    path = _file_of(load_site(config), "pg_restore --clean --if-exists --dbname=NAME FILE")
    try:
        aside = backups.restore(path, source)
    except TakenError as error:
        raise CommandError(f"{error}: stop it first") from error
    except (SchemaError, SQLAlchemyError) as error:
        raise UsageError(f"{source}: is no backup of this version: {str(error).splitlines()[0]}") from error
    print(f"{path}: restored; at its next start the centre asks the RSUs for what came later")
    for each in aside:
        print(f"set aside: {each}")


@app.command
def report(*, config: Path, day: str, out: Path, lang: Lang = "zh") -> None:
    """Write a day's report from the database, beside the running centre or without one.

    Parameters
    ----------
    config
        The site file.
    day
        The date, such as 2026-11-28; it begins at midnight, UTC+8.
    out
        The file; its name ends in .csv, .xlsx or .json.
    lang
        Of the headings.
    """
    n = reports.write(load_site(config), day, out, lang)
    print(f"{out}: report of {day}, violations: {n}")


def _file_of(site: Site, instead: str) -> Path:
    """Return the database's file; UsageError, with the tool that does it, where it is no SQLite file."""
    shown = secrets.as_written(site)
    try:
        path = path_of(site.config.centre.database)
    except (ArgumentError, ValueError):
        raise ConfigError(site.where, "centre.database", "is no address of a database", shown) from None
    if path is None:
        raise UsageError(f"{shown}: PostgreSQL's own tool does this: {instead} (the same address)")
    return path
