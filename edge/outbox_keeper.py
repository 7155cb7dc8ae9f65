"""The one thread that owns the outbox's database: groups jobs into commits, meets full and damaged disks."""

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edge.outbox_store import (
    Ballast,
    Key,
    Row,
    Statement,
    Store,
    delete,
    insert,
    is_damaged,
    keep_episode,
    set_aside,
)

GROUP_MAX = 100  # jobs of one commit
RETRY_S = 1.0  # what a disk refused is tried again
REFILL_S = 60.0  # a freed ballast is filled again when all has been well for so long


class Put(NamedTuple):
    """A violation (or a void in its place), and the episode it leaves open (None: closed)."""

    detected_ns: int | None
    violation: bytes | None
    void: str | None
    episode_id: str | None
    episode: bytes | None


class Release(NamedTuple):
    """An episode that a neighbour goes on with."""

    episode_id: str


class Acked(NamedTuple):
    """What the centre holds."""

    keys: tuple[Key, ...]


class Conflict(NamedTuple):
    """Rows whose keys the centre knows with other bytes."""

    rows: tuple[Row, ...]


class Load(NamedTuple):
    """Ask for rows that are not in memory."""

    n_rows: int
    known: frozenset[Key]


class Restore(NamedTuple):
    """After a damaged file: what memory still has."""

    rows: tuple[Row, ...]


class Close(NamedTuple):
    """The last job."""


Job = Put | Release | Acked | Conflict | Load | Restore | Close


@dataclass(slots=True)
class Done:
    """What a round came to, for the event loop."""

    epoch: int
    last_seqs: dict[int, int]
    rows: list[Row] = field(default_factory=list)  # new, to be sent
    moved: list[tuple[Key, Row]] = field(default_factory=list)  # old key, new row
    loaded: list[Row] | None = None
    lost: bool = False  # the file was damaged: memory is asked to restore
    degraded: tuple[str, ...] = ()


class Keeper(threading.Thread):
    """Runs until Close; `done` is called in this thread after each round."""

    def __init__(
        self,
        path: Path,
        *,
        wall_s: int,
        ballast_bytes: int,
        before_commit: Callable[[], None],
        done: Callable[[Done], None],
    ) -> None:
        super().__init__(name="outbox", daemon=True)
        self.path, self.wall_s = path, wall_s
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.counts: dict[str, int] = {}
        self.failure: BaseException | None = None  # our own bug; the loop raises it
        self._before_commit, self._done = before_commit, done
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), ballast_bytes)
        self._held: list[Statement] = []  # refused by the disk
        self._degraded: set[str] = set()
        self._well_since_s = time.monotonic()
        self.store = self._open(wall_s)
        self._ballast.fill()

    def run(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as error:
            self.failure = error
            self._done(self._news())
        finally:
            self.store.close()

    def _round(self) -> bool:
        """Plan and commit what has come in; False after Close."""
        jobs = self._take()
        news = self._news()
        statements: list[Statement] = []
        for job in jobs:
            statements += self._plan(job, news)
        if any(isinstance(job, Put) for job in jobs):
            self._before_commit()  # the inputs that led here must be on disk first
        self._keep(statements, news)
        for job in jobs:
            if isinstance(job, Load) and not news.lost:
                news.loaded = self.store.load(job.n_rows, job.known)
        self._refill()
        news.epoch, news.degraded = self.store.epoch, self._reasons()
        news.last_seqs = dict(self.store.last_seqs)
        self._done(news)
        return not any(isinstance(job, Close) for job in jobs)

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self.jobs.get(timeout=RETRY_S if self._held else None))
            while len(jobs) < GROUP_MAX:
                jobs.append(self.jobs.get_nowait())
        return jobs

    def _plan(self, job: Job, news: Done) -> list[Statement]:
        match job:
            case Put():
                row, statements = self.store.put(job.detected_ns, job.violation, job.void)
                news.rows.append(row)
                if job.episode_id is not None:
                    statements.append(keep_episode(job.episode_id, job.episode))
                return statements
            case Release():
                return [keep_episode(job.episode_id, None)]
            case Acked():
                return [delete(key) for key in job.keys]
            case Conflict():
                return self._move(job.rows, news)
            case Restore():
                return [insert(row) for row in job.rows]
        return []

    def _move(self, rows: tuple[Row, ...], news: Done) -> list[Statement]:
        """Give rows keys of a new epoch, which no one can have used."""
        statements = self.store.begin_epoch(max(self.store.epoch + 1, self.wall_s))
        for old in rows:
            row, puts = self.store.put(old.detected_ns, old.violation, old.void)
            statements += [delete(old.key), *puts]
            news.moved.append((old.key, row))
        return statements

    def _keep(self, statements: list[Statement], news: Done) -> None:
        """Commit with what was held before; on a full disk free the ballast, then hold."""
        wanted = self._held + statements
        try:
            self.store.commit(wanted)
        except sqlite3.Error as error:
            if is_damaged(error):
                self._start_anew(wanted, news)
                return
            self._count("outbox.disk")
            self._well_since_s = time.monotonic()
            if self._ballast.free():
                self._count("outbox.ballast_freed")
                self._held = []
                self._keep(wanted, news)
                return
            self._held = wanted
            self._degraded.add("disk_full" if "full" in str(error) else "disk_error")
            return
        self._held = []
        self._degraded -= {"disk_full", "disk_error"}

    def _start_anew(self, wanted: list[Statement], news: Done) -> None:
        before = self.store
        before.close()
        self._held = []
        set_aside(self.path, self.wall_s)
        self._count("outbox.damaged")
        self.store = self._open(max(self.wall_s, before.epoch + 1))
        self.store.last_seqs = before.last_seqs | self.store.last_seqs
        news.lost = True
        self._keep(wanted, news)

    def _open(self, epoch_min: int) -> Store:
        """Open the database; a damaged one is set aside, and memory stands in for a disk that refuses."""
        for _ in range(2):
            try:
                return Store(self.path, epoch_min)
            except sqlite3.Error as error:
                if is_damaged(error):
                    set_aside(self.path, self.wall_s)
                    self._count("outbox.damaged")
                elif not self._ballast.free():
                    break
        self._degraded.add("outbox_in_memory")
        return Store(None, epoch_min)

    def _refill(self) -> None:
        if not self._held and time.monotonic() - self._well_since_s > REFILL_S:
            self._ballast.fill()
            self._well_since_s = time.monotonic()

    def _news(self) -> Done:
        return Done(self.store.epoch, dict(self.store.last_seqs), degraded=self._reasons())

    def _reasons(self) -> tuple[str, ...]:
        low = set() if self._ballast.held else {"disk_low"}
        return tuple(sorted(self._degraded | low))

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
