"""The centre's database on the disk: opened, mended where it is damaged, secured before each answer.

SQLite only; of another database its own server takes care. Blocking: the writer's thread runs it.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa

from centre import database_file as files
from centre import database_mark, postgresql, refused_disk
from centre.faults import SchemaError
from centre.salvage import salvage
from centre.store import open_database
from edge.log import Logger
from edge.sqlite_copy import quick_check

ASIDE_MAX = 3  # damaged databases that may lie beside the present one: more mean that the disk is failing
NOTICE_S = 600.0  # a mended fault is shown for this long
LOCK_WAIT_S = 5.0  # for a centre that is just ending
LOG_BYTES_MAX = 67_108_864  # of the write-ahead log; longer for LOG_S, and somebody holds a snapshot
LOG_S = 60.0
KINDS = ("damaged", "foreign", "replaced")  # of files set aside that an operator has to look at


class MovedError(Exception):
    """The open database lost its path, and could not be written back to it; a later try may succeed."""


class TakenError(Exception):
    """Another process has the database."""


class SpentError(Exception):
    """Too many damaged databases lie beside the present one."""


class Storage:
    """An open database, and the file under it where it is SQLite.

    refused : why its disk takes no writes since the start, so that it is only read; None: it takes them
    """

    def __init__(
        self,
        engine: sa.Engine,
        log: Logger,
        lock: int | None = None,
        refused: str | None = None,
        folder: Path | None = None,
        warnings: Sequence[str] = (),
    ) -> None:
        """lock : the open lock file, closed with the database.  folder : of a refused one

        warnings : what an operator should know
        """
        self._warnings = tuple(warnings)
        self.engine, self._log, self._lock = engine, log, lock
        self.refused, self._folder = refused, folder
        self.path = files.path_of(engine.url)
        self._file = None if self.path is None else files.OpenFile(self.path)
        self.counts: Counter[str] = Counter()
        self._rescued: tuple[str, float] = ("", float("-inf"))  # what was mended, and when [monotonic, s]
        self._marked_n = -1  # of the feed, in the mark
        self._log_since_s: float | None = None  # since when the write-ahead log is too long
        if self._file is not None:
            sa.event.listen(engine, "do_connect", self._refuse_moved)
            self._mark()

    def _mark(self) -> None:
        """Note beside the file how far it has come; a database that is put in its place shows by that."""
        with contextlib.suppress(sa.exc.SQLAlchemyError), self.engine.begin() as db:
            self._marked_n = -1
            self.mark(database_mark.newest(db))

    def mark(self, feed_n: int) -> None:
        """Note how far the feed has come; before anything of it is acknowledged."""
        if self.path is not None and feed_n > self._marked_n:
            database_mark.write(self.path, feed_n)
            self._marked_n = feed_n

    def _refuse_moved(self, *_: object) -> None:
        """Let no connection of the pool open what lies at the path but is not the open database."""
        fault = None if self._file is None else self._file.fault()
        if fault is not None:
            raise sqlite3.OperationalError(fault)

    def admit_writes(self) -> None:
        """Let a transaction begin; raises MovedError where the disk has taken no writes since the start."""
        if self.refused is not None:
            raise MovedError(self.refused)

    async def until_healed(self) -> None:
        """Wait until a disk that refused at the start takes writes; raises HealedError then."""
        assert self._folder is not None, "only a refused one heals"
        await refused_disk.until_healed(self._folder)

    def secure(self) -> None:
        """Make sure that what is committed lies at the database's path; raises MovedError.

        Where the file was deleted or replaced, the open one is copied back to the path, and a file that lies
        there meanwhile is set aside: what was acknowledged is in the open one alone.
        """
        fault = None if self._file is None else self._file.fault()
        if fault is None:
            return
        assert self._file is not None, "only a file is moved"
        self._log.error("database.moved", fault=fault)
        self.counts["database.moved"] += 1
        try:
            self._file.copy_aside()
            aside = files.install(self._file.path, self._file.ids, "foreign")
            renewed = files.OpenFile(self._file.path)
        except (sqlite3.Error, OSError) as error:
            raise MovedError(f"{fault}, and can't be written back: {error}") from error
        moved, self._file = self._file, renewed
        self.engine.dispose()  # its connections are to the file without a name
        self._mark()
        moved.close()
        self._rescued = (f"{fault}: written back", time.monotonic())
        self.counts["database.written_back"] += 1
        self._log.error("database.written_back", aside=[each.name for each in aside])

    def tend(self) -> None:
        """Once a second without work: `secure`, and move the write-ahead log into the database."""
        self.admit_writes()
        self.secure()
        if self._file is None:
            return
        with contextlib.suppress(sqlite3.Error):  # locked by a reader, or a fault that the next commit shows
            if self._file.log_bytes():
                self._file.checkpoint()
        self._watch_log()

    def copy_log(self) -> None:
        """Once a second of work, in a thread of its own: let the next commit begin the log anew."""
        file = self._file
        if file is None:
            return
        with contextlib.suppress(sqlite3.Error):  # a fault of the file, which the writer meets too
            file.copy_log()
        self._watch_log()

    def _watch_log(self) -> None:
        too_long = self.log_bytes > LOG_BYTES_MAX
        self._log_since_s = (self._log_since_s or time.monotonic()) if too_long else None

    @property
    def log_fault(self) -> str | None:
        """Why the write-ahead log can't be cut; None while it can."""
        if self._log_since_s is None or time.monotonic() - self._log_since_s < LOG_S:
            return None
        size_mib = self.log_bytes >> 20
        return f"the write-ahead log has {size_mib} MiB: another program holds a snapshot of the database"

    @property
    def log_bytes(self) -> int:
        return 0 if self._file is None else self._file.log_bytes()

    def notices(self) -> list[str]:
        """Return what an operator should know, though the database works."""
        if self.path is None:
            return list(self._warnings)
        found = [
            f"{each.name} was set aside: remove it once it has been looked at"
            for each in files.kept_aside(self.path, *KINDS)
        ]
        text, at_s = self._rescued
        return [*found, *([text] if time.monotonic() - at_s < NOTICE_S else [])]

    def close(self) -> None:
        """Close the database, then let other processes have it."""
        self.engine.dispose()
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            os.close(self._lock)


def open_storage(url: str, log: Logger, oldest_ns: int) -> Storage:
    """Open the centre's database; one whose bytes are damaged is set aside, and its readable rows kept.

    oldest_ns : where nothing survives, RSUs are asked for their violations since then
    On a disk that is full or read-only what can be read is read, and nothing is written (`Storage.refused`).
    Raises what `open_database` raises, TakenError, SpentError, or OSError where the folder refuses.
    """
    path = files.path_of(url)
    if path is None:
        return _open_server(url, log)
    lock = _lock_where_possible(path, log)
    try:
        return _open_where_writable(url, path, log, oldest_ns, lock)
    except BaseException as error:
        refused = refused_disk.refusal_of(error, path) if isinstance(error, Exception) else None
        if refused is not None and (refused == refused_disk.FULL or path.exists()):
            log.error("database.refused", why=refused)
            fault = f"{refused}: nothing is stored or acknowledged until it takes writes"
            return Storage(refused_disk.open_for_reading(path), log, lock, fault, path.parent)
        if lock is not None:
            os.close(lock)
        raise


def _open_where_writable(url: str, path: Path, log: Logger, oldest_ns: int, lock: int | None) -> Storage:
    was_there = database_mark.read(path) is not None
    for each in (*files.clear_way(path, was_there=was_there), *files.finish_install(path)):
        log.error("database.set_aside", name=each.name)
    engine = _open_or_mend(url, path, log, oldest_ns)
    try:
        return Storage(engine, log, lock)
    except BaseException:  # the last room went to the log that opening has written
        engine.dispose()
        raise


def _open_server(url: str, log: Logger) -> Storage:
    """Open a database of PostgreSQL, and warn where its server would lose what it committed."""
    engine = open_database(url)
    unsafe = postgresql.unsafe_settings(engine) if postgresql.is_postgresql(engine) else []
    for name in unsafe:
        log.warning("database.unsafe", setting=name)
    warnings = [
        f"PostgreSQL runs with {name} = off: a loss of power takes what it committed" for name in unsafe
    ]
    return Storage(engine, log, warnings=warnings)


def _lock_where_possible(path: Path, log: Logger) -> int | None:
    try:
        return hold(path)
    except OSError as error:  # a read-only or full disk: what is stored can still be read
        log.warning("database.unlocked", error=str(error))
        return None


def _renew_older(engine: sa.Engine, path: Path, log: Logger) -> None:
    """Let all RSUs be asked where an older copy lies at the path: they have what was acknowledged since."""
    with engine.begin() as db:
        if database_mark.went_back(path, db):
            mark = database_mark.read(path)
            log.warning("database.older", why="another file than the last start's, or it knows less")
            database_mark.renew(db, None if mark is None else mark.feed_n)


def _opened(url: str, path: Path, log: Logger) -> sa.Engine:
    engine = open_database(url)
    try:
        _renew_older(engine, path, log)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _open_or_mend(url: str, path: Path, log: Logger, oldest_ns: int) -> sa.Engine:
    try:
        engine = _opened(url, path, log)
    except Exception as error:
        fault = _damage(error, path)
        if fault is None:
            raise
        mend(path, fault, log, oldest_ns)
        engine = _opened(url, path, log)
    return engine


def mend(path: Path, fault: str, log: Logger, oldest_ns: int) -> None:
    """Set a damaged database aside and put its readable rows in its place; nobody may have it open.

    Raises SpentError where so many lie there already that the disk must be failing.
    """
    if len(files.kept_aside(path, "damaged")) >= ASIDE_MAX:
        raise SpentError(
            f"{fault}; {ASIDE_MAX} damaged databases lie beside it already: look at the disk, remove them"
        )
    log.error("database.damaged", fault=fault)
    counts = salvage(path, oldest_ns)
    aside = files.install(path, frozenset(), "damaged")
    database_mark.write(path, 0)  # `salvage` lets the RSUs be asked
    log.error("database.mended", aside=[each.name for each in aside], **counts)


def _damage(error: Exception, path: Path) -> str | None:
    """Return what is wrong with the bytes of a database that can't be opened; None: they are right."""
    for each in (error, error.__cause__):  # the second may be the first itself: no chain to walk
        if each is not None and (files.is_damage(each) or isinstance(each, UnicodeDecodeError)):
            return str(getattr(each, "orig", each))
    if not isinstance(error, SchemaError) or not path.exists():
        return None
    return quick_check(path)  # a table may be missing because the page that names it is


def hold(path: Path, wait_s: float = LOCK_WAIT_S) -> int:
    """Take the lock of a database's file; return the open lock, which is free again once it is closed.

    Raises TakenError where another process has it for longer than `wait_s`, OSError where none can be made.
    """
    lock = os.open(files.beside(path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, files.MODE)
    last_s = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > last_s:
                os.close(lock)
                raise TakenError(f"another centre runs on {path.name}") from None
            time.sleep(0.05)
            continue
        return lock
