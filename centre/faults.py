"""Whose fault a failed statement is: the storage's (try again), the schema's (ours), or the item's. Pure."""

import sqlite3
from typing import Literal

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnectionError

from geofence.plausible import plain


class SchemaError(Exception):
    """The database lacks what this version needs; trying again is of no use."""


class UnreadableError(Exception):
    """The database can't be read now; nothing is lost, and the same question may be answered later."""


Blame = Literal["storage", "schema", "item"]

# a full, locked, read-only, unreachable or broken file: no item can change it
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
# SQLite has one code for all of them
_LOST_TEXTS = ("no such savepoint", "no transaction is active")  # a full disk ends the transaction by itself
_SCHEMA_TEXTS = ("no such table", "no such column", "has no column named", "syntax error", "has no column")


def blame(error: BaseException) -> Blame:
    """Return what a failed statement or commit says about its cause."""
    if isinstance(error, NoConnectionError):
        return "storage"
    if not isinstance(error, DBAPIError):
        return "item"
    of_sqlite = isinstance(error.orig, sqlite3.Error)  # raises InterfaceError for an unbindable value
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
        return "storage"  # another driver's word for the same: nothing is known to be the item's fault
    return "item"


def refused(error: Exception) -> Exception:
    """Return what a caller should learn of a fault that is not an item's."""
    if blame(error) == "schema":
        return SchemaError(f"the database does not fit this version: {getattr(error, 'orig', error)}")
    return error


def reason_of(error: Exception) -> str:
    """Return an error as a line for the operator, without the statement and its values."""
    return plain(f"{type(error).__name__}: {getattr(error, 'orig', error)}")
