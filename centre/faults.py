"""The cause of a failed statement: the storage (try again), the schema (never fits), or the item. Pure."""

import sqlite3
from typing import Literal

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from geofence.plausible import plain


class SchemaError(Exception):
    """The tables of the database don't fit this version; a later try fails too."""


class UnreadableError(Exception):
    """The database can't be read now; nothing is lost, and a later try may succeed."""


class NotWrittenError(Exception):
    """The storage failed (a full or locked disk, say): nothing is stored, and a later try may succeed."""


class DamagedError(Exception):
    """The bytes of the database's file are wrong; it has to be mended before anything else."""


Cause = Literal["storage", "schema", "item"]

# the file is full, locked, read-only, unreachable or broken, whatever the item is
_SQLITE_STORAGE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_AUTH, sqlite3.SQLITE_NOLFS, sqlite3.SQLITE_ABORT,
    sqlite3.SQLITE_SCHEMA,
})  # fmt: skip
# PostgreSQL, Appendix A: connection, transaction rollback, resources, object state, intervention, system
_SQLSTATE_STORAGE = ("08", "25", "28", "3D", "40", "53", "55", "57", "58", "XX")
_SQLSTATE_SCHEMA = ("3F", "42")  # no such schema, table, column, or no right to it
# SQLite gives one code, SQLITE_ERROR, to all of these
_LOST_TEXTS = ("no such savepoint", "no transaction is active")  # a full disk rolls the transaction back
_SCHEMA_TEXTS = ("no such table", "no such column", "has no column named", "syntax error", "has no column")


def cause_of(error: BaseException) -> Cause:
    """Return what made a statement or commit fail; an error of no database driver is the item's."""
    if isinstance(error, NoConnectionError):
        return "storage"
    if not isinstance(error, DBAPIError):
        return "item"
    of_sqlite = isinstance(error.orig, sqlite3.Error)  # it raises InterfaceError for a value
    if error.connection_invalidated or (isinstance(error, InterfaceError) and not of_sqlite):
        return "storage"
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _SQLITE_STORAGE:
        return "storage"
    state = getattr(error.orig, "sqlstate", None) or getattr(error.orig, "pgcode", None) or ""
    text = str(error.orig).lower()
    if state.startswith(_SQLSTATE_STORAGE) or any(part in text for part in _LOST_TEXTS):
        return "storage"
    if state.startswith(_SQLSTATE_SCHEMA) or any(part in text for part in _SCHEMA_TEXTS):
        return "schema"
    if isinstance(error, OperationalError) and code is None and not state:
        return "storage"  # of a driver without codes: nothing says that the item is the cause
    return "item"


def as_schema_error(error: Exception) -> Exception:
    """Return a SchemaError where the schema is the cause, otherwise the error itself."""
    if cause_of(error) == "schema":
        return SchemaError(f"the database does not fit this version: {getattr(error, 'orig', error)}")
    return error


def reason_of(error: BaseException) -> str:
    """Return an error as a line for the operator, without the statement and its values.

    PostgreSQL names values in the lines after the first.
    """
    said, _, _ = str(getattr(error, "orig", error)).partition("\n")
    return plain(f"{type(error).__name__}: {said}")
