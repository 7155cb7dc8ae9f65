"""Salvage of a damaged SQLite database: every row that can be read goes into a new one. Blocking.

A row counts as readable where SQLite returns it and, for a violation, its bytes have the SHA-256 that was
stored with them. Afterwards a transport key stands only where what it announced is there too: the others are
missing again, so that the centre asks the RSUs for them.
"""

import contextlib
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from centre import database_file as files
from centre import feed_numbers
from centre.meta import META
from centre.rebuild import rebuild_episodes
from centre.search.tables import EPISODE_KEY
from centre.settings import ASK_SINCE, set_value
from centre.store import (
    ASK,
    EPISODE,
    EPOCH,
    FEED,
    JOURNEY,
    QUARANTINE,
    SETTING,
    STATUS,
    TRANSPORT,
    UNSETTLED,
    VERSION,
    open_database,
)

SKIP_ROWS_MAX = 1 << 40  # numbers of rows that damaged pages can hide at most
ASK_MARGIN_NS = 3_600 * 10**9  # an RSU's outbox may have held older ones back for longer than newer ones
# The feed of a mended database begins here where its old numbers are unknown: each page's cursor is lower,
# so that none misses what comes.
FEED_BEYOND = 1 << 44
SHOWN = "SELECT 1 FROM violation_version WHERE id = :id AND version = :version AND esn = :esn"
Row = tuple[Any, ...]
TRAFFIC = (VERSION, TRANSPORT, EPISODE, FEED, UNSETTLED, QUARANTINE, STATUS, EPOCH, JOURNEY)
MADE_ANEW = (SETTING, ASK)


def salvage(path: Path, oldest_ns: int, ask_margin_ns: int = ASK_MARGIN_NS) -> Counter[str]:
    """Write the readable rows of the database at `path` into a copy that waits to take its place.

    oldest_ns, ask_margin_ns : RSUs are asked for what came this long before the newest row that survived, or
        since `oldest_ns` where none did
    Returns the number of rows by table. Raises sqlite3.Error, SQLAlchemyError or OSError.
    """
    part = files.beside(path, files.PART)
    for suffix in files.SUFFIXES:
        files.beside(part, suffix).unlink(missing_ok=True)
    engine = open_database(files.url_of(part))
    counts: Counter[str] = Counter()
    try:
        with contextlib.closing(_opened(path)) as source, engine.begin() as db:
            others = [table for table in META.sorted_tables if table not in (*TRAFFIC, *MADE_ANEW)]
            for table in (*TRAFFIC, *others):  # accounts, acts of people: whatever part has tables
                counts[table.name] = _copy_table(source, db, table)
            counts["key.dropped"] = _drop_unkept_keys(db)
            counts["key.added"] = _add_keys(db)
            counts["episode.rebuilt"] = rebuild_episodes(db)
            db.execute(sa.delete(EPISODE_KEY).where(EPISODE_KEY.c.id.not_in(sa.select(EPISODE.c.id))))
            newest_ns = db.scalar(sa.select(sa.func.max(TRANSPORT.c.received_ns)))
            since_ns = oldest_ns if newest_ns is None else max(oldest_ns, newest_ns - ask_margin_ns)
            set_value(db, ASK_SINCE, str(since_ns))
            raise_feed(db, _last_number(source, FEED.name))
    finally:
        engine.dispose()
    _close_log(part)
    files.ready(part)
    return counts


def raise_feed(db: sa.Connection, last_n: int | None) -> None:
    """Let the feed's numbers begin above all that a page can have seen; None: those are unknown."""
    feed_numbers.continue_after(
        db, max(feed_numbers.newest_given(db), FEED_BEYOND if last_n is None else last_n)
    )


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    db.text_factory = _text
    return db


def _text(found: bytes) -> str:
    return found.decode("utf-8")  # a wrong byte makes the row unreadable


def _copy_table(source: sqlite3.Connection, db: sa.Connection, table: sa.Table) -> int:
    """Copy the readable rows; return how many."""
    try:
        has = {row[1] for row in source.execute(f"PRAGMA table_info({table.name})")}
    except (sqlite3.Error, UnicodeDecodeError):
        return 0
    numbered = {"n"} if table in (EPISODE, JOURNEY) else set()  # these are numbered anew: without gaps
    names = [column.name for column in table.columns if column.name in has - numbered]
    if not names:
        return 0
    values = f"SELECT {', '.join(f':{name}' for name in names)}"
    if table is EPISODE:  # only one whose shown version was salvaged: the page would show an empty row
        values += f" WHERE EXISTS ({SHOWN})"
    insert = f"INSERT OR IGNORE INTO {table.name} ({', '.join(map(_quoted, names))}) {values}"
    target = db.connection.driver_connection
    assert target is not None, "the transaction has begun"
    n = 0
    for row in _readable(source, table.name, names):
        found = dict(zip(names, row, strict=True))
        if _fits(table, found):
            n += target.execute(insert, found).rowcount
    return n


def _quoted(name: str) -> str:
    return f'"{name}"'


def _fits(table: sa.Table, values: dict[str, Any]) -> bool:
    """Return whether a row holds values of its columns' kinds, and a violation the bytes that were stored."""
    for name, value in values.items():
        column = table.c[name]
        if value is None:
            if not column.nullable:
                return False
            continue
        if isinstance(column.type, sa.LargeBinary):
            kinds: tuple[type, ...] = (bytes,)
        elif isinstance(column.type, sa.String):
            kinds = (str,)
        else:
            kinds = (int, float) if isinstance(column.type, sa.Float) else (int,)
        if not isinstance(value, kinds):
            return False
    return table is not VERSION or hashlib.sha256(values["body"]).digest() == values["sha256"]


def _readable(source: sqlite3.Connection, table: str, names: Sequence[str]) -> Iterator[Row]:
    """Yield the rows in the order of their numbers, without those that can't be read."""
    query = f"SELECT rowid, {', '.join(map(_quoted, names))} FROM {table} WHERE rowid > ? ORDER BY rowid"  # noqa: S608
    last: int | None = -1
    while last is not None:
        try:
            for row in source.execute(query, (last,)):
                yield row[1:]
                last = row[0]
        except (sqlite3.Error, UnicodeDecodeError):
            last = _next_readable(source, query, last)
            continue
        return


def _next_readable(source: sqlite3.Connection, query: str, last: int) -> int | None:
    """Return the number after which rows can be read again; None: no later one can.

    A damaged page hides neighbouring numbers, of which nobody knows how many: the step doubles until a row
    can be read, then the first such row is found by halving.
    """
    low, high = 0, 1
    while not _can_read(source, query, last + high):
        low, high = high, 2 * high
        if high > SKIP_ROWS_MAX:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _can_read(source, query, last + middle) else (middle, high)
    return last + high


def _can_read(source: sqlite3.Connection, query: str, after: int) -> bool:
    try:
        source.execute(f"{query} LIMIT 1", (after,)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return True


def _last_number(source: sqlite3.Connection, table: str) -> int | None:
    try:
        row = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
    except (sqlite3.Error, UnicodeDecodeError):
        return None
    return row[0] if row is not None and isinstance(row[0], int) else None


def _drop_unkept_keys(db: sa.Connection) -> int:
    """Delete the transport keys of items that are in no table any more; return how many."""
    version = sa.exists().where(VERSION.c.sha256 == TRANSPORT.c.sha256, VERSION.c.esn == TRANSPORT.c.esn)
    kept = sa.exists().where(QUARANTINE.c.sha256 == TRANSPORT.c.sha256, QUARANTINE.c.esn == TRANSPORT.c.esn)
    db.exec_driver_sql("CREATE INDEX salvage_sha256 ON violation_version (sha256)")
    gone = sa.delete(TRANSPORT).where(sa.func.length(TRANSPORT.c.sha256) > 0, ~version, ~kept)
    n = db.execute(gone).rowcount
    db.exec_driver_sql("DROP INDEX salvage_sha256")
    return n


def _add_keys(db: sa.Connection) -> int:
    """Add the transport keys of violations that are there without; return how many."""
    columns = ("esn", "epoch", "seq", "sha256", "received_ns")
    found = sa.select(*(VERSION.c[name] for name in columns))
    return db.execute(sa.insert(TRANSPORT).prefix_with("OR IGNORE").from_select(columns, found)).rowcount


def _close_log(part: Path) -> None:
    with contextlib.closing(sqlite3.connect(part)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
