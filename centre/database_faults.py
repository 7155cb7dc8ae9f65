"""What is wrong with `[centre] database` at the start, for the centre and its workers: a mistake, or a server
that is away. A mistake of the site file ends the process with exit code 2, after which systemd does not start
it again; a server that starts later than we do must not cost a site its centre.
"""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from centre import secrets
from centre.faults import SchemaError
from core.errors import ConfigError
from edge.config import Site
from edge.log import Logger

AGAIN_S = 2.0  # between two looks for a server that is away
# of a server's refusals that no waiting ends; in another language than English it is waited for
LASTING = ("authentication failed", "pg_hba.conf", "does not exist", "no password supplied")
Result = TypeVar("Result")


def no_database(site: Site, wrong: str, error: BaseException, section: str = "centre") -> ConfigError:
    """Return the mistake: what is wrong with the database, by an error of it, without its password."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    rule = f"{wrong}: {secrets.without(site.config.centre.database, first)}"
    return ConfigError(site.where, f"{section}.database", rule, secrets.as_written(site))


@contextlib.contextmanager
def opening(site: Site, section: str = "centre") -> Iterator[None]:
    """Raise what opening the database raises as a ConfigError; as it is where its server is away."""
    try:
        yield
    except SchemaError as error:
        raise no_database(site, "does not fit", error, section) from error
    except ImportError as error:  # there is no driver for the address
        raise no_database(site, f"can't be opened: {secrets.DRIVER}", error, section) from error
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        if is_away(site, error):
            raise
        raise no_database(site, "can't be opened", error, section) from None  # it may quote the password


def is_away(site: Site, error: BaseException) -> bool:
    """Say whether a database server can't be reached now: no mistake of the site file."""
    is_server = site.config.centre.database.startswith("postgresql")
    return (
        is_server
        and isinstance(error, OperationalError)
        and not any(reason in str(error) for reason in LASTING)
    )


async def until_there(
    site: Site, log: Logger, stop: asyncio.Event, attempt: Callable[[], Awaitable[Result]]
) -> Result | None:
    """Return what an attempt returns; again while the database's server is away; None: stopped meanwhile."""
    while not stop.is_set():
        try:
            return await attempt()
        except SQLAlchemyError as error:
            if not is_away(site, error):
                raise
            why = secrets.without(site.config.centre.database, str(error).splitlines()[0])
            log.warning("database.away", why=why)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AGAIN_S):
                await stop.wait()
    return None
