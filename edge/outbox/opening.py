"""Opens the outbox's file: to be written, or only read where the disk refuses; tells damage from refusal."""

import contextlib
import os
import sqlite3
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    epoch INTEGER NOT NULL, seq INTEGER NOT NULL, detected_ns INTEGER, violation BLOB, void TEXT, sha256 BLOB,
    PRIMARY KEY (epoch, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epoch (epoch INTEGER PRIMARY KEY, last_seq INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS episode (id TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journey (id TEXT PRIMARY KEY, state BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (esn TEXT PRIMARY KEY) WITHOUT ROWID;
"""
# the columns of each table; those with a type may be nil, so an older file gets them
COLUMNS: dict[str, dict[str, str | None]] = {
    "item": {
        "epoch": None,
        "seq": None,
        "detected_ns": "INTEGER",
        "violation": "BLOB",
        "void": "TEXT",
        "sha256": "BLOB",
    },
    "epoch": {"epoch": None, "last_seq": None},
    "episode": {"id": None, "state": None},
    "journey": {"id": None, "state": None},
}
FILES = ("", "-wal", "-shm")  # of one database
ASIDE_MAX = 3  # damaged files that are kept for an operator
# Of pages in memory. SQLite would keep 2 MiB, which fill over an hour; a backlog of 6 000 costs the same CPU
CACHE_KIB = 512
FILE_MODE, FOLDER_MODE = 0o600, 0o700  # plates are in it
UNREADABLE = (266, 522, 8458)  # SQLITE_IOERR_READ, _SHORT_READ, _CORRUPTFS: bad sectors
NEARLY_NOTHING_BYTES = 64 * 1024  # of a disk: SQLite can't begin to write


class ForeignError(sqlite3.DatabaseError):
    """The file is the outbox of another RSU: cards or folders were exchanged. It is of no use to us."""


def open_writable(path: Path | None, *, esn: str = "", check: bool = True) -> sqlite3.Connection:
    """Open (or create) the file; sqlite3.Error where it refuses or is damaged.

    path : None keeps all in memory.  esn : whose file it is, from its first opening on; ForeignError where it
        is another RSU's.  check : look at each page (quick_check)
    """
    if path is not None:
        _make_private(path)
    db = sqlite3.connect(
        path or ":memory:",
        isolation_level=None,
        timeout=1.0,
        check_same_thread=False,  # opened before the one thread starts that then owns it
    )
    try:
        db.text_factory = _text
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute("PRAGMA wal_autocheckpoint=0")  # the keeper does it once what is committed was sent
        db.executescript(SCHEMA)
        if check:
            _check(db)
        _complete(db)
        _refuse_foreign(db, esn)
        if esn and not owner_of(db):
            db.execute("INSERT INTO owner VALUES (?)", (esn,))
    except sqlite3.Error:
        db.close()
        raise
    return db


def open_readable(path: Path, *, esn: str = "", check: bool = True) -> sqlite3.Connection:
    """Open an existing file for reading, with what its WAL holds, without writing anything at all.

    SQLite's usual way creates or changes `-shm`, which a full or read-only disk refuses. With exclusive
    locking the index of the WAL is in memory; a VFS without locks allows that for a file that can't be
    written. Without a WAL it would create one: then the file is declared immutable. No other process writes
    an outbox, nor do we before this connection is closed.
    """
    try:
        has_wal = os.path.getsize(f"{path}-wal") > 0
    except OSError:
        has_wal = False
    uri = path.absolute().as_uri() + ("?mode=ro&vfs=unix-none" if has_wal else "?mode=ro&immutable=1")
    db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.text_factory = _text
        db.execute("PRAGMA locking_mode=EXCLUSIVE")
        if check:
            _check(db)
        _refuse_foreign(db, esn)
    except sqlite3.Error:
        db.close()
        raise
    return db


def columns_of(db: sqlite3.Connection, table: str) -> str | None:
    """Return the columns of a table for a SELECT, NULL for those that an older file lacks; None: no table."""
    has = {row[1] for row in db.execute(f"PRAGMA table_info({table})")}
    if not has:
        return None
    return ", ".join(name if name in has else f"NULL AS {name}" for name in COLUMNS[table])


def owner_of(db: sqlite3.Connection) -> str:
    """Return the RSU that a file says it is of; empty where it says nothing, as one of an earlier version."""
    if not db.execute("PRAGMA table_info(owner)").fetchall():
        return ""
    row = db.execute("SELECT esn FROM owner").fetchone()
    return "" if row is None else str(row[0])


def refusal(error: sqlite3.Error, folder: Path) -> str:
    """Name why the disk refuses: disk_full, disk_read_only or disk_error."""
    if "full" in str(error):
        return "disk_full"
    try:
        disk = os.statvfs(folder)
    except OSError:
        return "disk_error"
    if disk.f_flag & os.ST_RDONLY or not os.access(folder, os.W_OK | os.X_OK):
        return "disk_read_only"
    has_room = disk.f_bavail * disk.f_frsize >= NEARLY_NOTHING_BYTES
    return "disk_error" if has_room else "disk_full"


def is_damaged(error: sqlite3.Error) -> bool:
    """Say whether the file itself is broken, so that trying again is of no use."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # ours, of quick_check
        return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
    return code in UNREADABLE or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_headless(path: Path) -> bool:
    """Say whether there is a WAL with content whose database is gone or empty."""
    try:
        has_wal = os.path.getsize(f"{path}-wal") > 0
    except OSError:
        return False
    try:
        return has_wal and os.path.getsize(path) == 0
    except FileNotFoundError:
        return has_wal
    except OSError:  # it refuses
        return False


def is_no_file(path: str) -> bool:
    """Say whether a directory or a link lies there."""
    return os.path.isdir(path) or os.path.islink(path)


def is_in_the_way(path: Path) -> bool:
    """Say whether a directory lies in the place of a file, or a link where SQLite makes none.

    No later try could open them. The file itself may be a link, to a disk that comes later.
    """
    return path.is_dir() or any(is_no_file(f"{path}{suffix}") for suffix in FILES[1:])


def set_aside(path: Path, wall_s: int) -> Path | None:
    """Move a damaged or foreign database out of the way, for an operator; None: the disk refuses that.

    The newest ASIDE_MAX are kept: a failing disk would fill itself with them. A directory or a link that lay
    in its place is moved too, and never deleted: we did not make it.
    """
    aside = path.with_name(f"{path.name}.damaged-{wall_s}")
    try:
        for suffix in FILES:
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
    except OSError:
        return None
    found = [each for each in path.parent.glob(f"{path.name}.damaged-*") if each.name[-1].isdigit()]
    for old in sorted(found, key=lambda each: each.lstat().st_mtime_ns)[:-ASIDE_MAX]:
        for suffix in FILES:
            with contextlib.suppress(OSError):
                os.unlink(f"{old}{suffix}")
    return aside


def make_folder(folder: Path) -> None:
    """Make the outbox's directory, for its owner only; a disk that refuses is met later."""
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        folder.chmod(FOLDER_MODE)


def _make_private(path: Path) -> None:
    """Create the file for its owner only; SQLite gives `-wal` and `-shm` the mode of the database."""
    with contextlib.suppress(OSError):  # SQLite names what is wrong
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        for suffix in FILES:
            if os.path.exists(f"{path}{suffix}"):
                os.chmod(f"{path}{suffix}", FILE_MODE)


def _text(raw: bytes) -> str:
    """Decode a text that a damaged file may have altered: an error here would hide all other rows."""
    return raw.decode(errors="replace")


def _check(db: sqlite3.Connection) -> None:
    if db.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        raise sqlite3.DatabaseError("the database is damaged")


def _refuse_foreign(db: sqlite3.Connection, esn: str) -> None:
    """Raise ForeignError where the file says that it is another RSU's."""
    owner = owner_of(db) if esn else ""
    if owner not in ("", esn):
        raise ForeignError(f"an outbox of {owner!r}")


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
