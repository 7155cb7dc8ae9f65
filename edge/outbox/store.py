"""The outbox's database: SQLite in WAL mode with synchronous=FULL, used by one thread only.

A job is first planned (keys are given, changes noted) and then committed; changes that a full disk refuses
are committed later under the same keys.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from edge.outbox.changes import Changes, Key, Row

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    epoch INTEGER NOT NULL, seq INTEGER NOT NULL, detected_ns INTEGER, violation BLOB, void TEXT,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (epoch INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS episode (id TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journey (id TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
"""
# the columns of each table; those with a type may be nil, so an older file gets them
COLUMNS: dict[str, dict[str, str | None]] = {
    "item": {"epoch": None, "seq": None, "detected_ns": "INTEGER", "violation": "BLOB", "void": "TEXT"},
    "epoch": {"epoch": None, "last_seq": None},
    "episode": {"id": None, "state": None},
    "journey": {"id": None, "state": None},
}


class Store:
    """One open database, under a new epoch."""

    def __init__(self, path: Path | None, wall_s: int) -> None:
        """Open (or create) and begin epoch max(stored + 1, wall_s); sqlite3.Error where that is impossible.

        path : None keeps all in memory, the last resort
        """
        self.db = sqlite3.connect(
            path or ":memory:",
            isolation_level=None,
            timeout=1.0,
            check_same_thread=False,  # opened before the one thread starts that then owns it
        )
        try:
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=FULL")
            self.db.executescript(SCHEMA)
            if self.db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("the database is damaged")
            _complete(self.db)
            (stored,) = self.db.execute("SELECT coalesce(max(epoch), 0) FROM epoch").fetchone()
            self.last_seqs: dict[int, int] = dict(self.db.execute("SELECT epoch, last_seq FROM epoch"))
            self.remaining: dict[int, int] = dict(
                self.db.execute("SELECT epoch, count(*) FROM item GROUP BY epoch")
            )
            self.episode_ids = {name for (name,) in self.db.execute("SELECT id FROM episode")}
            self.epoch, self.seq = max(stored + 1, wall_s), 0
            first = Changes()
            self.begin_epoch(first, self.epoch)
            self.commit(first)
        except sqlite3.Error:
            self.db.close()
            raise

    def begin_epoch(self, changes: Changes, epoch: int) -> None:
        """Plan: count from 1 under a new epoch; earlier ones without items are forgotten."""
        self.epoch, self.seq = epoch, 0
        self.last_seqs[epoch] = changes.last_seqs[epoch] = 0
        changes.begun = epoch

    def put(
        self, changes: Changes, detected_ns: int | None, violation: bytes | None, void: str | None
    ) -> Row:
        """Plan: the next row of this epoch."""
        self.seq += 1
        row = Row(Key(self.epoch, self.seq), detected_ns, violation, void)
        self.last_seqs[self.epoch] = changes.last_seqs[self.epoch] = self.seq
        changes.keep(row)
        return row

    def commit(self, changes: Changes) -> None:
        """Do all of it or nothing; sqlite3.Error where the disk refuses."""
        statements = changes.statements()
        if not statements:
            return
        try:
            self.db.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self.db.execute(sql, values)
            self.db.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self.db.execute("ROLLBACK")
            raise
        for episode_id, state in changes.episodes.items():
            (self.episode_ids.discard if state is None else self.episode_ids.add)(episode_id)

    def load(self, n_rows: int, known: Iterable[Key]) -> list[Row]:
        """Return up to n_rows items that are not `known`, oldest first."""
        skip = set(known)
        found = []
        for epoch, seq, detected_ns, violation, void in self.db.execute(
            "SELECT epoch, seq, detected_ns, violation, void FROM item ORDER BY epoch, seq"
        ):
            if Key(epoch, seq) not in skip:
                found.append(Row(Key(epoch, seq), detected_ns, violation, void))
            if len(found) >= n_rows:
                break
        return found

    def episodes(self) -> tuple[bytes, ...]:
        """Return the open episodes' states, in the order of their ids."""
        return tuple(state for (state,) in self.db.execute("SELECT state FROM episode ORDER BY id"))

    def journeys(self) -> tuple[bytes, ...]:
        """Return the newest versions of journeys that are open or not acknowledged, by id."""
        return tuple(state for (state,) in self.db.execute("SELECT state FROM journey ORDER BY id"))

    def close(self) -> None:
        self.db.close()


def _complete(db: sqlite3.Connection) -> None:
    """Add columns that an older file lacks and that may be nil; sqlite3.DatabaseError where one may not be.

    Else each commit would fail like one on a refusing disk, and be tried again for ever.
    """
    for table, columns in COLUMNS.items():
        has = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
        for column, kind in columns.items():
            if column in has:
                continue
            if kind is None:
                raise sqlite3.DatabaseError(f"table {table} lacks column {column}")
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")


def is_damaged(error: sqlite3.Error) -> bool:
    """Say whether the file itself is broken, so that trying again is of no use."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # ours, of quick_check
        return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(path: Path, wall_s: int) -> None:
    """Move a damaged database out of the way, for an operator to look at."""
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{path}.damaged-{wall_s}{suffix}")


class Ballast:
    """Disk space that is held in order to be given up when the disk is full: acknowledgements need it too."""

    def __init__(self, path: Path, n_bytes: int) -> None:
        self.path, self.n_bytes = path, n_bytes
        self.held = n_bytes == 0 or path.exists()

    def fill(self) -> None:
        """Reserve the space where there is room for four times as much; a full disk is no error."""
        if self.held:
            return
        try:
            room = os.statvfs(self.path.parent)
            if room.f_bavail * room.f_frsize < 4 * self.n_bytes:
                return
            with self.path.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, self.n_bytes)
            self.held = True
        except OSError:
            self.free()

    def free(self) -> bool:
        """Give the space up; says whether there was any."""
        self.held = self.n_bytes == 0
        try:
            self.path.unlink()
        except OSError:  # freed before, or a read-only disk
            return False
        return True
