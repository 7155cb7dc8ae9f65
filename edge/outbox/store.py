"""The outbox's database: SQLite in WAL mode with synchronous=FULL, used by one thread only.

A job is first planned (keys are given, changes noted) and then committed; changes that a full disk refuses
are committed later under the same keys. A file that can't be written is read all the same.
"""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edge.outbox.ballast import Ballast
from edge.outbox.changes import Changes, Key, Row
from edge.outbox.opening import columns_of, is_damaged, open_readable, open_writable, set_aside

__all__ = ["Ballast", "Store", "is_damaged", "set_aside"]


class Store:
    """One open database, under a new epoch.

    is_writable : False: commits are refused until `take` has opened the file.  is_read : False: there is a
        file, or may be one, and nothing is known of its rows.  must_move : the file has used our epoch, or
        a newer one, which we did not know
    """

    db: sqlite3.Connection
    epoch: int
    seq: int
    is_writable: bool
    is_read: bool
    must_move: bool
    last_seqs: dict[int, int]  # by epoch
    stored: dict[int, int]  # the same, as the last run left it
    remaining: dict[int, int]  # items by epoch, at the start
    episode_ids: set[str]
    journey_ids: set[str]
    _items: str | None  # columns of the table, None: there is none
    _after: Key  # rows up to here were read, while nothing can be deleted

    def __init__(self, path: Path | None, wall_s: int, esn: str = "") -> None:
        """Open (or create) and begin epoch max(stored + 1, wall_s); sqlite3.Error where that is impossible.

        path : None keeps all in memory.  esn : whose file it is; ForeignError where it is another RSU's
        """
        self._esn = esn
        self._use(open_writable(path, esn=esn))
        try:
            self._read_state(wall_s)
            first = Changes()
            self.begin_epoch(first, self.epoch)
            self.commit(first)
        except sqlite3.Error:
            self.db.close()
            raise

    @classmethod
    def unwritable(cls, path: Path | None, wall_s: int, unsaved: Changes, esn: str = "") -> "Store":
        """Open a file that the disk refuses to write; sqlite3.Error where it can't be read either.

        unsaved : gets the new epoch, for the first commit that succeeds.  path : None: the file can't be read
        """
        store = cls.__new__(cls)
        store._esn = esn
        if path is None:
            store._use(open_writable(None))
            store.db.execute("PRAGMA query_only=ON")
        else:
            store._use(open_readable(path, esn=esn))
        store.is_writable, store.is_read = False, path is not None
        try:
            store._read_state(wall_s)
        except sqlite3.Error:
            store.db.close()
            raise
        store.begin_epoch(unsaved, store.epoch)
        return store

    @property
    def newest(self) -> int:
        """The newest epoch that the file knew at the start; that before ours where it knew none."""
        return max(self.stored, default=self.epoch - 1)

    def read(self, path: Path) -> None:
        """Read a file that could not be read so far; sqlite3.Error where it still can't be.

        Its items are in `remaining` and `last_seqs` then; `must_move`: it has used our epoch, or a newer one.
        """
        own_epoch, own_seq, own_last = self.epoch, self.seq, self.last_seqs
        memory = self.db
        self._use(open_readable(path, esn=self._esn))
        memory.close()
        self.is_writable = False
        self._read_state(0)
        self.must_move = max(self.last_seqs, default=0) >= own_epoch
        for epoch, last_seq in own_last.items():
            self.last_seqs[epoch] = max(last_seq, self.last_seqs.get(epoch, 0))
        self.epoch, self.seq = own_epoch, own_seq

    def take(self, path: Path, changes: Changes) -> None:
        """Open the file for writing and commit; sqlite3.Error where it refuses either: it is only read on."""
        if self.is_read:
            self.db.close()  # while both are open, closing the second would drop the locks of the first
        readable = self.db
        try:
            self.db = open_writable(path, esn=self._esn, check=False)  # it was when it was read
            self.commit(changes)
        except sqlite3.Error:
            self.db.close()
            self.db = open_readable(path, check=False) if self.is_read else readable
            raise
        readable.close()
        self._items = columns_of(self.db, "item")
        self.is_writable = self.is_read = True

    def _use(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.is_writable = self.is_read = True
        self.must_move = False
        self._after = Key(-1, -1)

    def _read_state(self, wall_s: int) -> None:
        db = self.db
        self._items = columns_of(db, "item")
        is_known = columns_of(db, "epoch") is not None
        self.last_seqs = dict(db.execute("SELECT epoch, last_seq FROM epoch")) if is_known else {}
        self.stored = dict(self.last_seqs)
        self.remaining = {}
        if self._items is not None:
            self.remaining.update(db.execute("SELECT epoch, count(*) FROM item GROUP BY epoch"))
        self.episode_ids = {str(name) for name in self._named("episode", "id")}
        self.journey_ids = {str(name) for name in self._named("journey", "id")}
        self.epoch, self.seq = max(max(self.last_seqs, default=0) + 1, wall_s), 0

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
        row = Row.of(Key(self.epoch, self.seq), detected_ns, violation, void)
        self.last_seqs[self.epoch] = changes.last_seqs[self.epoch] = self.seq
        changes.keep(row)
        return row

    def commit(self, changes: Changes) -> bool:
        """Do all of it or nothing, and say whether there was any; sqlite3.Error where the disk refuses."""
        statements = changes.statements()
        if not statements:
            return False
        try:
            self.db.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                self.db.execute(sql, values)
            self.db.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back by itself
                self.db.execute("ROLLBACK")
            raise
        for saved, states in ((self.episode_ids, changes.episodes), (self.journey_ids, changes.journeys)):
            for key, state in states.items():
                (saved.discard if state is None else saved.add)(key)
        return True

    def load(self, n_rows: int, known: Iterable[Key]) -> list[Row]:
        """Return up to n_rows items that are not `known`, oldest first; each once while all stay."""
        if self._items is None:
            return []
        skip = set(known)
        found: list[Row] = []
        after = Key(-1, -1) if self.is_writable else self._after
        for epoch, seq, detected_ns, violation, void, sha256 in self.db.execute(
            f"SELECT {self._items} FROM item WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq",  # noqa: S608
            after,
        ):
            if len(found) >= n_rows:
                break
            self._after = Key(epoch, seq)
            if self._after not in skip:
                found.append(Row(self._after, detected_ns, violation, void, sha256))
        return found

    def has(self, key: Key) -> bool:
        """Say whether an item is in the file."""
        if self._items is None:
            return False
        return self.db.execute("SELECT 1 FROM item WHERE epoch = ? AND seq = ?", key).fetchone() is not None

    def get(self, key: Key) -> Row | None:
        """Return one item of the file."""
        if self._items is None:
            return None
        query = f"SELECT {self._items} FROM item WHERE epoch = ? AND seq = ?"  # noqa: S608
        found = self.db.execute(query, key).fetchone()
        return None if found is None else Row(key, *found[2:])

    def oldest_ns(self) -> int | None:
        """Return when the item with the lowest key was detected; None: there is none, or it is not known."""
        if self._items is None:
            return None
        query = "SELECT detected_ns FROM item ORDER BY epoch, seq LIMIT 1"
        found = self.db.execute(query).fetchone()
        return found[0] if found and isinstance(found[0], int) else None

    def checkpoint(self) -> None:
        """Move the WAL into the file: one bad sector of a long WAL costs all that lies behind it."""
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def episodes(self) -> tuple[bytes, ...]:
        """Return the open episodes' states, in the order of their ids."""
        return tuple(self._named("episode", "state"))

    def journeys(self) -> tuple[bytes, ...]:
        """Return the newest versions of journeys that are open or not acknowledged, by id."""
        return tuple(self._named("journey", "state"))

    def _named(self, table: str, column: str) -> list[Any]:
        if columns_of(self.db, table) is None:  # of another version, and can't be completed
            return []
        rows = self.db.execute(f"SELECT {column} FROM {table} ORDER BY id")  # noqa: S608
        return [value for (value,) in rows]

    def close(self) -> None:
        self.db.close()
