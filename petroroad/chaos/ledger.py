"""The centre's database as the checker reaches it: by the database's own driver, and by plain SQL."""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from typing import Any

Connect = Callable[[], AbstractContextManager[Any]]  # yields what has `execute(sql).fetchall()`


def sqlite_ledger(path: Path) -> Connect:
    """Return how to read a SQLite file that the centre may have open."""
    return lambda: closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1.0))


def postgresql_ledger(conninfo: str) -> Connect:
    """Return how to read a PostgreSQL database at one moment of it."""

    def connect() -> AbstractContextManager[Any]:
        import psycopg

        try:
            found = psycopg.connect(conninfo)
        except psycopg.Error as error:
            raise UnreadableError(str(error)) from error
        found.isolation_level, found.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        return closing(found)

    return connect


class UnreadableError(Exception):
    """The database can't be read now."""


def figure(connect: Connect, query: str) -> int | None:
    """Return the one number of a query; None where the database can't be read now."""
    try:
        with connect() as db:
            found: int = db.execute(query).fetchone()[0]
            return found
    except Exception as error:
        if isinstance(error, UnreadableError | sqlite3.Error) or type(error).__module__.startswith("psycopg"):
            return None
        raise
