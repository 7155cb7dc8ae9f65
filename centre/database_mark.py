"""A small file beside the SQLite database that knows which file it is and how far it had come.

A backup that was copied to the database's path by hand, or a disk's snapshot that was rolled back, holds less
than was acknowledged, and nothing in it says so. By the mark that shows at the next start: another file, or
one that knows less. Then the RSUs are asked, as after `petroroad centre restore`.
"""

import contextlib
import os
from pathlib import Path

import msgspec
import sqlalchemy as sa

from centre import changes, feed_numbers
from centre import statements as sql
from centre.database_file import MODE, beside
from centre.salvage import ASK_MARGIN_NS, FEED_BEYOND, raise_feed
from centre.settings import ASK_SINCE, forget, set_value, value
from centre.store import ASK, FEED, TRANSPORT, UNSETTLED

SUFFIX = ".mark"
BYTES = 64  # of a mark: two numbers of 64 bits, with blanks behind them
FEED_GAP = 10**9  # beyond the newest known number, where pages may have seen higher ones


class Mark(msgspec.Struct, frozen=True):
    """inode : of the database's file.  feed_n : the newest number of its feed, which only grows"""

    inode: int
    feed_n: int


def read(path: Path) -> Mark | None:
    """Return the mark of the database at `path`; None where there is none, or half of one."""
    try:
        return msgspec.json.decode(beside(path, SUFFIX).read_bytes(), type=Mark)
    except (OSError, msgspec.DecodeError):
        return None


def write(path: Path, feed_n: int) -> None:
    """Write the mark of the database at `path`; a disk that refuses costs the mark only.

    All marks are equally long: one takes the place of another with one write, which a kill can't halve.
    """
    with contextlib.suppress(OSError):
        body = msgspec.json.encode(Mark(path.stat().st_ino, feed_n)).ljust(BYTES)
        mark = beside(path, SUFFIX)
        try:
            _fill(mark, os.O_WRONLY, body)
        except FileNotFoundError:
            part = beside(path, f"{SUFFIX}-part")
            _fill(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, body)
            part.replace(mark)


def _fill(path: Path, flags: int, body: bytes) -> None:
    handle = os.open(path, flags | os.O_CLOEXEC, MODE)
    try:
        os.pwrite(handle, body, 0)
        os.ftruncate(handle, len(body))  # what somebody else left there
    finally:
        os.close(handle)


def went_back(path: Path, db: sa.Connection) -> bool:
    """Return whether the database at `path` may hold less than one that was there before.

    One without a name has never served: the RSUs are asked for all that they keep in any case.
    """
    if value(db, "centre") is None:
        return False
    mark = read(path)
    return mark is None or mark.inode != path.stat().st_ino or mark.feed_n > _reached(db)


def _reached(db: sa.Connection) -> int:
    """Return the number that the feed has once all that is committed here is announced.

    A loss of power takes rows of the feed that the mark knows (`settling`), but never what they announce.
    """
    n_due = 0
    for body in db.scalars(sa.select(UNSETTLED.c.changes)):
        with contextlib.suppress(msgspec.MsgspecError):  # one that can't be read is never announced
            n_due += sum(change.n_rows for change in changes.decode(body))
    return feed_numbers.newest_given(db) + n_due


def renew(db: sa.Connection, seen_n: int | None) -> None:
    """Make this a database of its own: with another name and feed, and all RSUs to be asked.

    seen_n : the newest number of the feed that a page can have seen; None: unknown
    """
    newest_ns = db.scalar(sa.select(sa.func.max(TRANSPORT.c.received_ns)))
    if newest_ns is None:
        forget(db, ASK_SINCE)  # empty, as new: the next start asks for all that is kept
    else:
        set_value(db, ASK_SINCE, str(max(10**18, newest_ns - ASK_MARGIN_NS)))
    forget(db, "centre")
    db.execute(ASK.delete())
    known = newest(db)
    if seen_n is None and known >= FEED_BEYOND:  # it was renewed before
        seen_n = known + FEED_GAP
    raise_feed(db, seen_n)


def newest(db: sa.Connection) -> int:
    """Return the newest number of the feed."""
    return db.scalar(sql.NEWEST_NUMBER[FEED.name]) or 0
