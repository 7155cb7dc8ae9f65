"""What is wrong with `[centre] database`, as a mistake of the site file: for the centre and its workers."""

import contextlib
import sqlite3
from collections.abc import Iterator

from sqlalchemy.exc import SQLAlchemyError

from centre import secrets
from centre.faults import SchemaError
from core.errors import ConfigError
from edge.config import Site


def no_database(site: Site, wrong: str, error: BaseException, section: str = "centre") -> ConfigError:
    """Return the mistake: what is wrong with the database, by an error of it, without its password."""
    first = (str(error) or type(error).__name__).splitlines()[0]
    rule = f"{wrong}: {secrets.without(site.config.centre.database, first)}"
    return ConfigError(site.where, f"{section}.database", rule, secrets.as_written(site))


@contextlib.contextmanager
def opening(site: Site, section: str = "centre") -> Iterator[None]:
    """Raise what opening the database raises as a ConfigError."""
    try:
        yield
    except SchemaError as error:
        raise no_database(site, "does not fit", error, section) from error
    except ImportError as error:  # there is no driver for the address
        raise no_database(site, f"can't be opened: {secrets.DRIVER}", error, section) from error
    except (SQLAlchemyError, sqlite3.Error, OSError, ValueError) as error:
        raise no_database(site, "can't be opened", error, section) from None  # it may quote the password
