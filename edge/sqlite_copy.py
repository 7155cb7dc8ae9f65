"""A copy of an SQLite database that another process writes: one moment of it, checked. Blocking."""

import contextlib
import os
import sqlite3
from pathlib import Path

WAIT_S = 10.0  # for a lock of the process that writes
MODE = 0o600  # plates are in it


def copy_live(source: Path, part: Path, pages: int) -> None:
    """Copy a database into the new file `part`, checked and on the medium; the caller then renames it.

    pages : copied at once; the other process commits between two steps
    Raises sqlite3.Error where the copy is damaged, OSError where it can't be written.
    """
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, MODE))
    with (
        contextlib.closing(sqlite3.connect(source, timeout=WAIT_S)) as read,
        contextlib.closing(sqlite3.connect(part)) as written,
    ):
        read.backup(written, pages=pages)
        written.execute("PRAGMA journal_mode=DELETE")  # one file
    fault = quick_check(part)
    if fault is not None:
        raise sqlite3.DatabaseError(f"{source.name} is damaged, and so is its copy: {fault}")
    with part.open("rb") as file:
        os.fsync(file.fileno())


def quick_check(path: Path) -> str | None:
    """Return the first fault of a database's pages; None: there is none."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else str(found).splitlines()[-1][:200]
