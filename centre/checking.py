"""Looks through a SQLite database for damage once after each start, beside the work: pages, then evidence."""

import asyncio
import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

from centre.database_file import is_damage

ROWS_OF_A_READ = 100  # of one snapshot, some 0.5 MB
PAUSE_S = 0.01  # between two reads: the centre's own reads and commits come first


class Check:
    """One look through a database; `stop` ends it soon, from any thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._ended = threading.Event()
        self._db: sqlite3.Connection | None = None

    async def run(self, on_damage: Callable[[str], None]) -> None:
        """Look, and report the first damage."""
        try:
            fault = await asyncio.to_thread(self._fault)
        finally:
            self.stop()
        if fault is not None:
            on_damage(fault)

    def stop(self) -> None:
        self._ended.set()
        if self._db is not None:
            with contextlib.suppress(sqlite3.ProgrammingError):  # it is closed already
                self._db.interrupt()

    def _fault(self) -> str | None:
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
            with contextlib.closing(self._db):
                (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
                if found != "ok":
                    return str(found).splitlines()[-1][:200]
                return self._altered_evidence(self._db)
        except sqlite3.Error as error:  # interrupted, or locked: the work itself shows what lasts
            return str(error) if is_damage(error) else None

    def _altered_evidence(self, db: sqlite3.Connection) -> str | None:
        """Return the first violation whose bytes are not those that were stored."""
        query = """SELECT rowid, body, sha256, id, version FROM violation_version
            WHERE rowid > ? ORDER BY rowid LIMIT ?"""
        last = 0
        while not self._ended.wait(PAUSE_S):
            rows = db.execute(query, (last, ROWS_OF_A_READ)).fetchall()
            for number, body, sha256, violation_id, version in rows:
                last = number
                if hashlib.sha256(body).digest() != sha256:
                    return f"violation {violation_id} version {version} has other bytes than were stored"
            if not rows:
                return None
        return None
