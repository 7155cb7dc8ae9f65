"""The file of a SQLite database: which one is open, whether it lies at its path, how another replaces it.

A file that a process has open stays whole when its name is deleted or given to another file: SQLite commits
into it as before, and all of that is gone with the process. So the centre compares the open file with the
path before it acknowledges anything.
"""

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

SUFFIXES = ("", "-wal", "-shm")  # of the files of one database; SQLite makes the others
PART, READY = ".new-part", ".new"  # a copy that is being written; one that only has to take its place
MODE = 0o600  # plates and places of vehicles: for the centre's own user only
# the bytes of the file are wrong: a later try fails too
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class FileId(NamedTuple):
    """What stays the same of a file whatever its name is."""

    device: int
    inode: int


def path_of(url: str | sa.URL) -> Path | None:
    """Return the file of a database's address; None for another kind of database and for one in memory."""
    made = sa.make_url(url)
    if made.get_backend_name() != "sqlite" or made.database in (None, "", ":memory:"):
        return None
    assert made.database is not None, "looked at above"
    return Path(made.database)


def url_of(path: Path) -> sa.URL:
    """Return the address of a SQLite file, whatever signs its name has."""
    return sa.URL.create("sqlite", database=str(path))


def beside(path: Path, suffix: str) -> Path:
    """Return the file whose name is that of the database with a suffix."""
    return path.with_name(path.name + suffix)


def id_at(path: Path) -> FileId | None:
    """Return which file lies at a path; None: none. Raises OSError where that can't be found out."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return FileId(found.st_dev, found.st_ino)


def is_damage(error: BaseException) -> bool:
    """Return whether an error of SQLite means that the bytes of the file are wrong."""
    found = getattr(error, "orig", error)
    code = getattr(found, "sqlite_errorcode", None)
    return isinstance(found, sqlite3.Error) and code is not None and code & 0xFF in _DAMAGE


def stamp_text(now_s: float) -> str:
    """Return a time as names of files carry it."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))


class OpenFile:
    """Holds a connection to the database's file, so that its content can be reached whatever its name is.

    The connection also keeps the write-ahead log from being deleted and made again: it stays one file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        # without waiting: a checkpoint that waits for readers holds up the writer
        self._db = sqlite3.connect(self.path, timeout=0.0, isolation_level=None, check_same_thread=False)
        self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # opens the write-ahead log too
        self._ids = self._present()

    def _present(self) -> tuple[FileId | None, ...]:
        return tuple(id_at(beside(self.path, suffix)) for suffix in SUFFIXES[:2])

    @property
    def ids(self) -> frozenset[FileId]:
        """The files that are open."""
        return frozenset(found for found in self._ids if found is not None)

    def fault(self) -> str | None:
        """Return what became of the file's name; None where the open files lie at their paths."""
        try:
            database, log = self._present()
        except OSError as error:
            return f"{self.path.name} can't be found: {error.strerror}"
        if self._ids[1] is None:  # made since: no page was written to it before
            self._ids = (self._ids[0], log)
        if (database, log) == self._ids:
            return None
        if database is None:
            return f"{self.path.name} was deleted while the centre ran"
        if database != self._ids[0]:
            return f"{self.path.name} was replaced by another file while the centre ran"
        return f"{self.path.name}-wal was deleted or replaced while the centre ran"

    def copy_aside(self) -> Path:
        """Copy the open database into a file that can take its place; raises sqlite3.Error or OSError."""
        part = beside(self.path, PART)
        _remove(part)
        with contextlib.closing(sqlite3.connect(part)) as target:
            self._db.backup(target)
            target.execute("PRAGMA journal_mode=WAL")
        return ready(part)

    def checkpoint(self) -> bool:
        """Move the write-ahead log into the database, and cut it; return whether all of it was moved."""
        busy, _, _ = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def copy_log(self) -> None:
        """Copy what the write-ahead log has into the database beside the writer, which is not held up.

        By a connection of its own, for another thread than the writer's; raises sqlite3.Error.
        """
        address = self.path.as_uri() + "?mode=rw"  # a file that was deleted is not made anew
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0.0, isolation_level=None)) as db:
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    def log_bytes(self) -> int:
        """Return the size of the write-ahead log."""
        try:
            return beside(self.path, "-wal").stat().st_size
        except OSError:
            return 0

    def close(self) -> None:
        self._db.close()


def ready(part: Path) -> Path:
    """Put a whole copy on the disk and give it the name under which it waits to take its place."""
    for suffix in SUFFIXES[1:]:
        _remove(beside(part, suffix))
    with part.open("rb+") as file:
        os.fsync(file.fileno())
    part.chmod(MODE)
    whole = part.with_name(part.name.removesuffix(PART) + READY)
    part.replace(whole)
    sync_folder(whole.parent)
    return whole


def install(path: Path, ours: frozenset[FileId], kind: str) -> list[Path]:
    """Give the waiting copy the database's name; return the files that it set aside.

    A file there that is none of `ours` is renamed, never deleted: PATH.KIND-TIME. A kill at any moment leaves
    the copy waiting, or in its place.
    """
    aside = set_aside(path, kind, keep=ours)
    waiting = beside(path, READY)
    os.link(waiting, path)  # unlike a rename it never replaces a file that appears at this moment
    waiting.unlink()
    sync_folder(path.parent)
    return aside


def set_aside(path: Path, kind: str, keep: frozenset[FileId] = frozenset()) -> list[Path]:
    """Rename the files of a database, but delete those that are in `keep`; return the new names."""
    target = _free_name(beside(path, f".{kind}-{stamp_text(time.time())}"))
    found: list[Path] = []
    # the logs first: SQLite would read one that is left into the next database
    for suffix in reversed(SUFFIXES):
        source = beside(path, suffix)
        if not source.exists():
            continue
        if id_at(source) in keep or (suffix == "-shm" and keep):
            source.unlink()
            continue
        renamed = beside(target, suffix)
        source.rename(renamed)
        renamed.chmod(MODE)
        found.append(renamed)
    sync_folder(path.parent)
    return found[::-1]


def clear_way(path: Path, *, was_there: bool) -> list[Path]:
    """Rename a directory that lies in the place of one of the files, or a link where SQLite makes none.

    No later try could open them. was_there : whether a database has lain at the path: then a directory there
        is in the way too; else it may be what somebody took for the place of one.  Returns the new names.
    """
    found: list[Path] = []
    target = _free_name(beside(path, f".damaged-{stamp_text(time.time())}"))
    for suffix in SUFFIXES:
        source = beside(path, suffix)
        is_link = source.is_symlink() and suffix != ""  # the database itself may lie on another disk
        if is_link or (source.is_dir() and (suffix or was_there)):
            found.append(source.rename(beside(target, suffix)))
    return found


def finish_install(path: Path) -> list[Path]:
    """Complete what a kill interrupted: a waiting copy takes its place, half a copy is deleted."""
    _remove(beside(path, PART))
    waiting = id_at(beside(path, READY))
    if waiting is None:
        return []
    if waiting == id_at(path):
        beside(path, READY).unlink()
        return []
    return install(path, frozenset(), "replaced")


def kept_aside(path: Path, *kinds: str) -> list[Path]:
    """Return the databases that were set aside and still lie there, oldest first."""
    found = [each for kind in kinds for each in path.parent.glob(f"{path.name}.{kind}-*")]
    return sorted(each for each in found if not each.name.endswith(SUFFIXES[1:]))


def sync_folder(folder: Path) -> None:
    """Make renames in a folder outlive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def restrict(path: Path) -> None:
    """Take the files of a database away from other users; ignored where the disk refuses."""
    for suffix in SUFFIXES:
        with contextlib.suppress(OSError):
            beside(path, suffix).chmod(MODE)


def _free_name(path: Path) -> Path:
    n, free = 1, path
    while free.exists():
        n, free = n + 1, beside(path, f".{n + 1}")
    return free


def _remove(path: Path) -> None:
    for suffix in SUFFIXES:
        if beside(path, suffix).exists():  # a read-only disk refuses to delete even what is not there
            beside(path, suffix).unlink()
