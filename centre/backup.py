"""Backup and restore of the centre's SQLite database, on the disk. Blocking.

A backup is taken beside a running centre, through SQLite's own backup: it is one moment of the database.
"""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from centre import database_file as files
from centre.database_mark import renew
from centre.database_mark import write as write_mark
from centre.storage import hold
from centre.store import open_database
from core.errors import CommandError, UsageError
from edge.sqlite_copy import copy_live, quick_check

PAGES_OF_A_STEP = 1_024  # 4 MiB: the centre commits between two steps


def back_up(path: Path, to: Path) -> int:
    """Copy the database at `path` to the file `to`, checked and whole or not at all; return its bytes.

    Raises UsageError where there is nothing to copy or `to` is in use, CommandError where the copy is damaged
    or can't be written.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no database")
    if any(to.resolve() == files.beside(path, suffix).resolve() for suffix in files.SUFFIXES):
        raise UsageError(f"{to}: is the database itself; choose another file")
    part = files.beside(to, ".part")
    try:
        copy_live(path, part, PAGES_OF_A_STEP)
        n_bytes = part.stat().st_size
        part.replace(to)
        files.sync_folder(to.parent)
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"{to}: the backup failed: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return n_bytes


def restore(path: Path, source: Path) -> list[Path]:
    """Put a backup in the place of the database; return the files that it set aside.

    The next start of the centre asks the RSUs for what came after the backup. Raises UsageError where there
    is no `source`, SchemaError or SQLAlchemyError where it is none of this version, TakenError where a
    centre runs, CommandError where the backup is damaged or the disk refuses.
    """
    if not source.is_file():
        raise UsageError(f"{source}: there is no backup")
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = hold(path, wait_s=0.0)
    try:
        part = files.beside(path, files.PART)
        for suffix in files.SUFFIXES:
            files.beside(part, suffix).unlink(missing_ok=True)
        shutil.copyfile(source, part)
        part.chmod(files.MODE)
        _check(part)
        _renew(part)
        files.ready(part)
        aside = files.install(path, frozenset(), "before-restore")
        write_mark(path, 0)  # it is renewed already
        return aside
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"{path}: can't be restored: {error}") from error
    finally:
        os.close(lock)


def _check(path: Path) -> None:
    fault = quick_check(path)
    if fault is not None:
        raise CommandError(f"{path.name}: is damaged: {fault}")


def _renew(part: Path) -> None:
    """Make a backup a database of its own: with another name and feed, and all RSUs to be asked."""
    engine = open_database(files.url_of(part))
    try:
        with engine.begin() as db:
            renew(db, None)
    finally:
        engine.dispose()
    with contextlib.closing(sqlite3.connect(part)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
