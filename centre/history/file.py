"""One file of the history: the blocks of an hour, or of one violation's clip, in a small SQLite database.

A transaction is whole after `kill -9`, and a torn page costs what lies on it. A file is deleted as one: no
other file holds what it held.
"""

import contextlib
import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import msgspec

from centre.history.gather import Name
from centre.history.ring import Held

VERSION = 1
SUFFIX = ".sqlite"
MODE = 0o600  # it holds plates
NAMES_MAX = 500_000  # rows of one file
NAMES_REMEMBERED = 20_000  # the newest; a track that comes again after so many others gets a second row
CACHE_KIB = 512  # of pages in memory: each block is written once
_SCHEMA = """
CREATE TABLE block (from_ns INTEGER, to_ns INTEGER, esn TEXT, low_m REAL, high_m REAL, n_rows INTEGER,
                    lanes INTEGER, data BLOB);
CREATE INDEX block_time ON block (from_ns);
CREATE INDEX block_esn ON block (esn, from_ns);
CREATE TABLE lanes (n INTEGER PRIMARY KEY, names TEXT UNIQUE);
CREATE TABLE name (track INTEGER, from_ns INTEGER, terminal TEXT, plate TEXT, identity_p REAL,
                   PRIMARY KEY (track, from_ns));
CREATE INDEX name_terminal ON name (terminal);
CREATE TABLE presence (track INTEGER, esn TEXT, from_ns INTEGER, to_ns INTEGER, PRIMARY KEY (track, esn));
CREATE TABLE unit (stamp_ns INTEGER PRIMARY KEY, body BLOB);
CREATE TABLE beat (n INTEGER PRIMARY KEY, from_ns INTEGER, to_ns INTEGER);
CREATE TABLE lost (from_ns INTEGER, to_ns INTEGER, reason TEXT);
CREATE TABLE about (key TEXT PRIMARY KEY, value TEXT);
"""


class FileError(Exception):
    """This file is of another version, or damaged."""


class NameRow(NamedTuple):
    """Who a track is from a time on."""

    track: int
    from_ns: int
    name: Name


class Spell(NamedTuple):
    """A time, with what was wrong in it; None: nothing."""

    from_ns: int
    to_ns: int
    reason: str | None = None


def signed(track: int) -> int:
    """Return a track's 64 bits as SQLite holds integers."""
    return track - 2**64 if track >= 2**63 else track


def unsigned(track: int) -> int:
    return track % 2**64


class HistoryFile:
    """One open file; not thread-safe. Its methods raise FileError or sqlite3.Error."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path, self.db = path, db
        self._lanes: dict[tuple[str, ...], int] = {}
        self._names: OrderedDict[int, Name] = OrderedDict()  # of tracks, the longest silent first
        self._n_named = 0  # rows that were added
        self._beat: int | None = None  # number of this writer's row

    @classmethod
    def create(cls, path: Path, *, journal: str = "WAL") -> Self:
        """Open a file for writing; it is made where it is missing. `journal`: SQLite's mode."""
        path.touch(MODE)
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
        try:
            db.execute(f"PRAGMA journal_mode={journal}")
            db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
            db.execute("PRAGMA synchronous=NORMAL")  # a loss of power costs the last seconds, never the file
            if db.execute("PRAGMA user_version").fetchone()[0] == 0:
                db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={VERSION};COMMIT;")
            file = cls(path, _checked(db, path))
            for n, names in db.execute("SELECT n, names FROM lanes"):
                file._lanes[tuple(msgspec.json.decode(names))] = n
        except sqlite3.DatabaseError as error:
            db.close()
            if isinstance(error, sqlite3.OperationalError):
                raise  # the disk, not the file
            raise FileError(f"{path.name}: {error}") from error
        except BaseException:
            db.close()
            raise
        return file

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open a file for reading only."""
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=2.0)
        try:
            return cls(path, _checked(db, path))
        except BaseException:
            db.close()
            raise

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self.db.close()

    # --- writing

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what the block adds, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        except BaseException:
            self._lanes, self._names, self._beat = {}, OrderedDict(), None  # what they name may be undone
            with contextlib.suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            raise

    def add(self, block: Held) -> None:
        stations = block.stations_m or (None, None)
        self.db.execute(
            "INSERT INTO block VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                block.from_ns, block.to_ns, block.esn, *stations, block.n_rows, self._lanes_of(block.lanes),
                block.data,
            ),
        )  # fmt: skip

    def _lanes_of(self, lanes: tuple[str, ...]) -> int:
        if lanes not in self._lanes:
            text = msgspec.json.encode(lanes).decode()
            self.db.execute("INSERT OR IGNORE INTO lanes (names) VALUES (?)", (text,))
            (self._lanes[lanes],) = self.db.execute("SELECT n FROM lanes WHERE names = ?", (text,)).fetchone()
        return self._lanes[lanes]

    def add_names(self, rows: Iterable[NameRow]) -> int:
        """Add names that the file does not have; return how many found no room."""
        n_left = 0
        for track, from_ns, name in rows:
            known = self._names.get(track)
            if known is not None and known[:2] == name[:2]:
                self._names.move_to_end(track)
                continue
            if self._n_named >= NAMES_MAX:
                n_left += 1
                continue
            self._remember(track, name)
            self.db.execute(
                "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?, ?)", (signed(track), from_ns, *name)
            )
        return n_left

    def _remember(self, track: int, name: Name) -> None:
        self._n_named += 1
        self._names[track] = name
        self._names.move_to_end(track)
        if len(self._names) > NAMES_REMEMBERED:
            self._names.popitem(last=False)

    def add_presence(self, esn: str, tracks: Iterable[int], from_ns: int, to_ns: int) -> None:
        """Note that an RSU saw tracks within a time."""
        self.db.executemany(
            "INSERT INTO presence VALUES (?, ?, ?, ?) ON CONFLICT (track, esn) DO UPDATE SET "
            "from_ns = min(from_ns, excluded.from_ns), to_ns = max(to_ns, excluded.to_ns)",
            [(signed(track), esn, from_ns, to_ns) for track in tracks],
        )

    def add_units(self, stamp_ns: int, body: bytes) -> None:
        self.db.execute("INSERT OR REPLACE INTO unit VALUES (?, ?)", (stamp_ns, body))

    def add_lost(self, spell: Spell) -> None:
        self.db.execute("INSERT INTO lost VALUES (?, ?, ?)", spell)

    def beat(self, from_ns: int, to_ns: int) -> None:
        """Note that the history was kept from one time to another."""
        if self._beat is not None:
            update = "UPDATE beat SET from_ns = min(from_ns, ?), to_ns = ? WHERE n = ?"
            self.db.execute(update, (from_ns, to_ns, self._beat))
            return
        self._beat = self.db.execute("INSERT INTO beat VALUES (NULL, ?, ?)", (from_ns, to_ns)).lastrowid

    def tell(self, **about: str) -> None:
        """Note what the file is about."""
        self.db.executemany("INSERT OR REPLACE INTO about VALUES (?, ?)", list(about.items()))

    # --- reading

    def blocks(self, from_ns: int, to_ns: int, longest_ns: int, esn: str | None = None) -> list[Held]:
        """Return the blocks that have a snapshot in [from_ns, to_ns], by their first one's time.

        longest_ns : no block lasts longer
        """
        query = "SELECT block.*, names FROM block JOIN lanes ON n = lanes WHERE from_ns BETWEEN ? AND ?"
        query += " AND to_ns >= ?" + ("" if esn is None else " AND esn = ?") + " ORDER BY from_ns"
        values = (from_ns - longest_ns, to_ns, from_ns, *(() if esn is None else (esn,)))
        found = []
        for first, last, name, low, high, n_rows, _, data, lanes in self.db.execute(query, values):
            stations = None if low is None else (low, high)
            held = Held(name, first, last, tuple(msgspec.json.decode(lanes)), stations, n_rows, data)
            found.append(held)
        return found

    def names(self, to_ns: int) -> Iterator[NameRow]:
        """Yield the names that were given until a time, oldest first."""
        query = "SELECT * FROM name WHERE from_ns <= ? ORDER BY from_ns"
        for track, from_ns, terminal, plate, p in self.db.execute(query, (to_ns,)):
            yield NameRow(unsigned(track), from_ns, Name(terminal, plate, p))

    def tracks_of(self, terminal: str) -> list[tuple[int, int]]:
        """Return the tracks that were this terminal's, each with the time from which on."""
        query = "SELECT track, min(from_ns) FROM name WHERE terminal = ? GROUP BY track"
        return [(unsigned(track), from_ns) for track, from_ns in self.db.execute(query, (terminal,))]

    def presence(self, track: int) -> list[tuple[str, int, int]]:
        """Return which RSUs saw a track, and from when to when."""
        query = "SELECT esn, from_ns, to_ns FROM presence WHERE track = ?"
        return list(self.db.execute(query, (signed(track),)))

    def units(self, from_ns: int, to_ns: int) -> list[tuple[int, bytes]]:
        """Return the units' states that held at a time, and the later ones up to another."""
        query = "SELECT * FROM unit WHERE stamp_ns <= ? AND stamp_ns >= "
        query += "(SELECT coalesce(max(stamp_ns), 0) FROM unit WHERE stamp_ns <= ?) ORDER BY stamp_ns"
        return list(self.db.execute(query, (to_ns, from_ns)))

    def kept(self) -> list[Spell]:
        """Return the times in which the history was kept."""
        return [Spell(*row) for row in self.db.execute("SELECT from_ns, to_ns FROM beat ORDER BY from_ns")]

    def lost(self) -> list[Spell]:
        """Return the times of which something was lost, each with the reason."""
        return [Spell(*row) for row in self.db.execute("SELECT * FROM lost ORDER BY from_ns")]

    def about(self) -> dict[str, str]:
        return dict(self.db.execute("SELECT * FROM about").fetchall())


def _checked(db: sqlite3.Connection, path: Path) -> sqlite3.Connection:
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute("SELECT 1 FROM block LIMIT 1")
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            raise  # the disk, not the file
        raise FileError(f"{path.name}: {error}") from error
    if version != VERSION:
        raise FileError(f"{path.name}: version {version}, not {VERSION}")
    return db


def delete(path: Path) -> None:
    """Delete a file with its logs; raises OSError where it can't be deleted."""
    # the file last: a deletion that was interrupted is found again by its name, a log alone never
    for each in (path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"), path):
        each.unlink(missing_ok=True)
