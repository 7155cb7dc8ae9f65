"""The directory of evidence files: a size limit, an age limit, and names that nobody can choose. Blocking."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from core.times import NS
from edge.age_clock import AgeClock
from edge.sections import EvidenceConfig

DAY_NS = 86_400 * NS
FREE_SHARE = 0.05  # of the disk: with less, no file is begun


class Shelf:
    """The files of one centre, by the job's id."""

    def __init__(self, folder: Path, limits: EvidenceConfig) -> None:
        self.folder, self._limits, self._ages = folder, limits, AgeClock()

    def path(self, key: str) -> Path:
        """Return where a job's file lies."""
        return self.folder / f"{key}.zip"

    def work(self, key: str) -> Path:
        """Return the directory in which a job's file is made; it outlives a restart."""
        path = self.folder / f"{key}.work"
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def clear(self, key: str) -> None:
        """Delete what a job has left besides its file."""
        shutil.rmtree(self.folder / f"{key}.work", ignore_errors=True)

    def keys(self) -> set[str]:
        """Return the keys of the jobs that have a file or a directory here."""
        if not self.folder.is_dir():
            return set()
        return {path.stem for path in self.folder.iterdir() if path.suffix in (".zip", ".work")}

    def sweep(self, keys: Collection[str], making: Collection[str], ready: Collection[str]) -> None:
        """Delete what no job needs: it holds plates, and no limit counts it."""
        for key in keys:
            if key not in making:
                self.clear(key)
                if key not in ready:
                    self.path(key).unlink(missing_ok=True)

    def is_full(self) -> bool:
        """Say whether the disk has too little room to begin a file."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        disk = shutil.disk_usage(self.folder)
        return disk.free < FREE_SHARE * disk.total

    def excess(
        self, rows: Sequence[dict[str, Any]], now_ns: int, known_ns: int | None = None
    ) -> list[tuple[dict[str, Any], str]]:
        """Return the files that are too old or too many, oldest first, each with the reason.

        rows : of the table, oldest first.  known_ns : a time that has passed for sure (`ages.known_ns`);
        files are made too seldom to tell the age of each other. 0 or None: nothing says so
        """
        found = []
        newest_ns = known_ns or max((row["made_ns"] or 0 for row in rows), default=None)
        newest_s = None if newest_ns is None else newest_ns / NS
        by_ns = round(self._ages.now_s(now_ns / NS, newest_s) * NS)
        total = sum(row["n_bytes"] or 0 for row in rows)
        for row in rows:
            age_ns = by_ns - (row["made_ns"] or 0)
            if age_ns > self._limits.days * DAY_NS:
                found.append((row, f"older than {self._limits.days:g} days"))
            elif total > self._limits.gib * 2**30:
                found.append((row, f"all together were more than {self._limits.gib:g} GiB"))
            else:
                continue
            total -= row["n_bytes"] or 0
        return found
