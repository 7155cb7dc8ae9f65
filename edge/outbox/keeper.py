"""The one thread that owns the outbox's database: groups jobs into commits, bears full and damaged disks."""

import contextlib
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from edge.outbox.changes import Changes, Key, Row
from edge.outbox.store import Ballast, Store, is_damaged, set_aside

GROUP_MAX = 100  # jobs of one commit
DISK_RETRY_S = 1.0  # until a refused commit is tried again
DISK_REFUSED = frozenset({"disk_full", "disk_error"})  # degraded, because the last commit failed
REFILL_S = 60.0  # a freed ballast is filled again when all has been well for so long


class Put(NamedTuple):
    """A violation (or a void in its place), and the episode it leaves open (None: closed)."""

    detected_ns: int | None
    violation: bytes | None
    void: str | None
    episode_id: str | None
    episode: bytes | None


class Episode(NamedTuple):
    """The open state of an episode, without a violation (None: a neighbour continues it)."""

    episode_id: str
    state: bytes | None


class JourneyKept(NamedTuple):
    """The newest version of a journey (None: a neighbour continues it, or the centre has all of it)."""

    journey_id: str
    state: bytes | None


class Acked(NamedTuple):
    """Keys of items that the centre has acknowledged."""

    keys: tuple[Key, ...]


class Conflict(NamedTuple):
    """Rows whose keys the centre knows with other bytes."""

    rows: tuple[Row, ...]


class Raise(NamedTuple):
    """A new epoch: the centre knows a higher one than ours."""

    epoch_min: int


class Load(NamedTuple):
    """Ask for rows that are not in memory."""

    n_rows: int
    known: frozenset[Key]


class Restore(NamedTuple):
    """Rows of the memory, for a new file in place of a damaged one."""

    rows: tuple[Row, ...]


class Close(NamedTuple):
    """The last job."""


Job = Put | Episode | JourneyKept | Acked | Conflict | Raise | Load | Restore | Close


@dataclass(slots=True)
class Done:
    """The result of a round, for the event loop."""

    epoch: int
    last_seqs: dict[int, int]
    rows: list[Row] = field(default_factory=list)  # new, to be sent
    moved: list[tuple[Key, Row]] = field(default_factory=list)  # old key, new row
    loaded: list[Row] | None = None
    lost: bool = False  # the file was damaged: memory is asked to restore
    n_unsaved: int = 0  # rows that the disk has refused so far
    degraded: tuple[str, ...] = ()


class Keeper(threading.Thread):
    """The thread: make it, `attach` its callbacks, `start` it; it runs until the job Close."""

    def __init__(self, path: Path, *, wall_s: int, ballast_bytes: int) -> None:
        super().__init__(name="outbox", daemon=True)
        self.path, self.wall_s = path, wall_s
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.counts: dict[str, int] = {}
        self.failure: BaseException | None = None  # our own bug; the loop raises it
        self._before_commit: Callable[[], None] = _nothing
        self._done: Callable[[Done], None] = _nothing
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), ballast_bytes)
        self._unsaved = Changes()  # planned, and refused by the disk so far
        self._degraded: set[str] = set()
        self._well_since_s = time.monotonic()
        self.store = self._open(wall_s)
        self._ballast.fill()

    def attach(self, *, before_commit: Callable[[], None], done: Callable[[Done], None]) -> None:
        """Set the callbacks of this thread: before it commits violations, and after each round."""
        self._before_commit, self._done = before_commit, done

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
        """Plan and commit the jobs that wait; False after Close."""
        jobs = self._next_jobs()
        news = self._news()
        for job in jobs:
            self._plan(job, news)
        if any(isinstance(job, Put) for job in jobs):
            self._before_commit()  # the inputs that led here must be on disk first
        self._keep(news)
        for job in jobs:
            if isinstance(job, Load):
                news.loaded = self._loaded(job, news)
        self._refill()
        news.epoch, news.degraded = self.store.epoch, self._reasons()
        news.last_seqs, news.n_unsaved = dict(self.store.last_seqs), self._unsaved.n_rows()
        self._done(news)
        return not any(isinstance(job, Close) for job in jobs)

    def _loaded(self, job: Load, news: Done) -> list[Row]:
        """Read the rows that memory lacks; none for now where the disk refuses or the file is damaged."""
        try:
            return self.store.load(job.n_rows, job.known | self._unsaved.forgotten())
        except sqlite3.Error as error:
            self._count("outbox.disk")
            if is_damaged(error):
                self._start_anew(news)
            return []

    def _next_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self.jobs.get(timeout=DISK_RETRY_S if self._refused else None))
            while len(jobs) < GROUP_MAX:
                jobs.append(self.jobs.get_nowait())
        return jobs

    def _plan(self, job: Job, news: Done) -> None:
        changes = self._unsaved
        match job:
            case Put():
                news.rows.append(self.store.put(changes, job.detected_ns, job.violation, job.void))
                if job.episode_id is not None:
                    changes.keep_episode(job.episode_id, job.episode, self.store.episode_ids)
            case Episode():
                changes.keep_episode(job.episode_id, job.state, self.store.episode_ids)
            case JourneyKept():
                changes.journeys[job.journey_id] = job.state
            case Acked():
                for key in job.keys:
                    changes.forget(key)
            case Conflict():
                self._move(job.rows, news)
            case Raise():
                if job.epoch_min > self.store.epoch:
                    self.store.begin_epoch(self._unsaved, job.epoch_min)
            case Restore():
                for row in job.rows:
                    changes.keep(row)

    def _move(self, rows: tuple[Row, ...], news: Done) -> None:
        """Move rows to keys of a new epoch, which no one can have used."""
        self.store.begin_epoch(self._unsaved, max(self.store.epoch + 1, self.wall_s))
        for old in rows:
            row = self.store.put(self._unsaved, old.detected_ns, old.violation, old.void)
            self._unsaved.forget(old.key)
            news.moved.append((old.key, row))

    def _keep(self, news: Done) -> None:
        """Commit the planned changes; on a full disk free the ballast, then wait."""
        try:
            self.store.commit(self._unsaved)
        except sqlite3.Error as error:
            if is_damaged(error):
                self._start_anew(news)
                return
            self._count("outbox.disk")
            self._well_since_s = time.monotonic()
            if self._ballast.free():
                self._count("outbox.ballast_freed")
                self._keep(news)
                return
            self._degraded.add("disk_full" if "full" in str(error) else "disk_error")
            return
        self._unsaved = Changes()
        self._degraded -= DISK_REFUSED

    def _start_anew(self, news: Done) -> None:
        before = self.store
        before.close()
        set_aside(self.path, self.wall_s)
        self._count("outbox.damaged")
        self.store = self._open(max(self.wall_s, before.epoch + 1))
        self.store.last_seqs = before.last_seqs | self.store.last_seqs
        news.lost = True
        self._keep(news)

    def _open(self, epoch_min: int) -> Store:
        """Open the database; a damaged one is set aside, and memory replaces a disk that refuses."""
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
        if not self._refused and time.monotonic() - self._well_since_s > REFILL_S:
            self._ballast.fill()
            self._well_since_s = time.monotonic()

    def _news(self) -> Done:
        return Done(self.store.epoch, dict(self.store.last_seqs), degraded=self._reasons())

    def _reasons(self) -> tuple[str, ...]:
        low = set() if self._ballast.held else {"disk_low"}
        return tuple(sorted(self._degraded | low))

    @property
    def _refused(self) -> bool:
        return bool(self._degraded & DISK_REFUSED)

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1


def _nothing(*_: object) -> None:
    """Nobody is attached."""
