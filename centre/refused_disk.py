"""A SQLite database whose disk is full or read-only at the start: what of it can be read, and when it heals.

SQLite can't open a database in its usual way without writing a few pages beside it. Here nothing is written:
the page is served, nothing is acknowledged, and the RSUs keep what they have.
"""

import asyncio
import contextlib
import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from centre import migrations
from centre.settings import ASK_SINCE, NOTHING_TO_ASK, set_value, value
from centre.store import VERSION_KEY, centre_name, open_database
from edge.outbox.opening import open_readable

LOOK_S = 1.0  # between looks whether there is room again
ROOM_BYTES = 4_194_304  # for the files beside the database and the first commits
PROBE_BYTES = 1_048_576  # that are written: a quota refuses what a disk's free blocks promise
FULL, READ_ONLY = "the disk is full", "the disk is read-only"
_FULL_CODES = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class HealedError(Exception):
    """The disk takes writes again: the database can be opened in its usual way."""


def refusal_of(error: BaseException, path: Path) -> str | None:
    """Return why the disk refuses a database that could not be opened; None where that is not the cause."""
    number = error.errno if isinstance(error, OSError) else None
    code = getattr(getattr(error, "orig", error), "sqlite_errorcode", None)
    if number not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS) and (code or 0) & 0xFF not in _FULL_CODES:
        return None
    return why_refused(path.parent)


def why_refused(folder: Path) -> str | None:
    """Return why a folder takes no database now; None where it does, or is not there at all."""
    try:
        disk = os.statvfs(folder)
    except OSError:  # no such folder: the operator's fault, not the disk's
        return None
    if disk.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        return READ_ONLY
    if disk.f_bavail * disk.f_frsize < ROOM_BYTES:
        return FULL
    return _probe(folder)


def _probe(folder: Path) -> str | None:
    """Return whether a file of some size can be written there, by writing one."""
    probe = folder / f".petroroad-room-{os.getpid()}"
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return READ_ONLY if error.errno == errno.EROFS else FULL
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return None


async def until_healed(folder: Path) -> None:
    """Wait until the disk takes writes; raises HealedError then."""
    while True:
        await asyncio.sleep(LOOK_S)
        if await asyncio.to_thread(why_refused, folder) is None:
            raise HealedError(f"{folder} takes writes again")


def open_for_reading(path: Path) -> sa.Engine:
    """Return an engine that reads the database with its write-ahead log, and writes not a byte anywhere.

    Where there is none, or one that this version can't read, the engine reads an empty one, so that the page
    can say what is wrong. No other process may write the database meanwhile.
    """
    if path.exists() and path.stat().st_size > 0:
        engine = _engine(lambda: open_readable(path, check=False))
        if _fits(engine):
            return engine
        engine.dispose()
    empty = _empty()

    def connect() -> sqlite3.Connection:
        db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        db.deserialize(empty)
        return db

    return _engine(connect)


def _engine(connect: Callable[[], sqlite3.Connection]) -> sa.Engine:
    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool)

    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.text_factory = str
        connection.execute("PRAGMA query_only=ON")

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", lambda db: db.exec_driver_sql("BEGIN"))
    return engine


def _fits(engine: sa.Engine) -> bool:
    """Return whether the database can be read, and is of this version: it can't be migrated now."""
    try:
        with engine.begin() as db:
            return value(db, VERSION_KEY) == str(migrations.newest()) and value(db, "centre") is not None
    except SQLAlchemyError:
        return False


def _empty() -> bytes:
    """Return the bytes of a database without rows."""
    engine = open_database(sa.URL.create("sqlite"))
    try:
        centre_name(engine)
        with engine.begin() as db:
            # an empty database lets all RSUs be asked for what they keep: not this one, which can't store it
            set_value(db, ASK_SINCE, str(NOTHING_TO_ASK))
            connection = db.connection.driver_connection
        assert isinstance(connection, sqlite3.Connection), "it was made by sqlite3"
        return connection.serialize()
    finally:
        engine.dispose()
