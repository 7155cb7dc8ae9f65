"""The one thread that owns the outbox's database: groups jobs into commits, bears full and damaged disks."""

import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from edge.outbox.ballast import Ballast
from edge.outbox.changes import Changes, Row
from edge.outbox.jobs import (
    Acked,
    Asked,
    Close,
    Conflict,
    Done,
    Episode,
    Failed,
    Found,
    Job,
    JourneyKept,
    Load,
    Put,
    Raise,
    Restore,
    Suspect,
)
from edge.outbox.mark import Mark, MarkFile
from edge.outbox.mender import Mender
from edge.outbox.opening import is_damaged, is_headless, is_in_the_way, refusal, set_aside
from edge.outbox.redo_log import RedoLog
from edge.outbox.repair import Repair
from edge.outbox.store import Store
from edge.recording.names import newest_epoch

GROUP_MAX = 100  # jobs of one commit
DISK_RETRY_S = 1.0  # until a refused commit is tried again
DISK_REFUSED = frozenset({"disk_full", "disk_error", "disk_read_only"})  # the last commit failed
IN_MEMORY = "outbox_in_memory"  # degraded: no file could be opened for writing
UNREAD = "outbox_unread"  # degraded: nor for reading, so nobody knows what waits in it
REFILL_S = 60.0  # a freed ballast is filled again when all has been well for so long
CHECKPOINT_S, CHECKPOINT_S_MAX = 1.0, 10.0  # after the last commit, at the latest after the first
WAL_BYTES_MAX = 4 * 2**20  # or when it is so long: one bad sector of it costs all that lies behind


class Keeper(threading.Thread):
    """The thread: make it, `attach` its callbacks, `start` it; it runs until the job Close."""

    def __init__(
        self,
        path: Path,
        *,
        wall_s: int,
        ballast_bytes: int,
        recordings: Path | None = None,
        esn: str = "",
        opened_ns: int = 0,
    ) -> None:
        super().__init__(name="outbox", daemon=True)
        self.path, self.wall_s, self._esn = path, wall_s, esn
        self.jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.failure: BaseException | None = None  # our own bug; the loop raises it
        self._counts: dict[str, int] = {}
        self._before_commit: Callable[[], None] = _nothing
        self._done: Callable[[Done], None] = _nothing
        self._log = RedoLog()
        self._ballast = Ballast(path.with_name(path.name + ".ballast"), ballast_bytes)
        self._unsaved = Changes()  # planned, and refused by the disk so far
        self._degraded: set[str] = set()
        self._well_since_s = time.monotonic()
        self._dirty_since_s: float | None = None  # since when the WAL has what the file has not
        twin = None if recordings is None else recordings / f"{esn}.mark"
        self._mark = MarkFile(path.with_name(path.name + ".mark"), twin, esn)
        mender = None if recordings is None else Mender(recordings, esn)
        self.repair = Repair(mender, self.jobs, opened_ns, self._count, self._degraded)
        self.store: Store = self._open(_epoch_min(wall_s, self._mark.found, recordings, esn))
        self.episodes, self.journeys = self.repair.begin(self.store, self._mark.found, self._unsaved)
        self._write_mark()
        self._ballast.fill()

    def attach(
        self,
        *,
        before_commit: Callable[[], None],
        done: Callable[[Done], None],
        record: Callable[[bytes], None] | None = None,
    ) -> None:
        """Set the callbacks of this thread: before it commits violations, and after each round.

        record : writes to the recording what a commit is going to change
        """
        self._before_commit, self._done = before_commit, done
        self._log = RedoLog(record)

    @property
    def counts(self) -> dict[str, int]:
        """All counters, by reason."""
        return self._counts | self.repair.counts

    def run(self) -> None:
        try:
            while self._round():
                pass
        except BaseException as error:
            self.failure = error
            self._done(self._news())
        finally:
            self.repair.end()
            self._mark.close()
            self.store.close()

    def _round(self) -> bool:
        """Plan and commit the jobs that wait; False after Close."""
        jobs = self._next_jobs()
        news = self._news()
        for job in jobs:
            self._plan(job, news)
        self._log.write(jobs, news)  # it must be on disk before the commit, as the inputs that led here
        if any(isinstance(job, Put) for job in jobs):
            self._before_commit()
        self._keep(news)
        for job in jobs:
            if isinstance(job, Load):
                news.loaded = self._loaded(job, news)
        self._write_mark()
        self._give(news)  # what is committed is sent now: nothing below may hold it up
        after = self._news()
        if self._checkpoint(jobs, after):
            self._give(after)
        self._refill()
        return not any(isinstance(job, Close) for job in jobs)

    def _give(self, news: Done) -> None:
        """Let the event loop know of a round, and of the state that it left."""
        news.epoch, news.degraded = self.store.epoch, self.reasons()
        news.last_seqs, news.n_unsaved = dict(self.store.last_seqs), self._unsaved.n_rows()
        self._done(news)

    def _loaded(self, job: Load, news: Done) -> list[Row]:
        """Read the rows that memory lacks; none for now where the disk refuses or the file is damaged."""
        skip = job.known | self._unsaved.forgotten()
        try:
            while True:
                rows = self.store.load(job.n_rows, skip | self.repair.altered)
                sound = self.repair.only_sound(rows)
                if sound or not rows:
                    return sound
        except sqlite3.Error as error:
            self._count("outbox.disk")
            if is_damaged(error):
                self._start_anew(news)
            return []

    def _next_jobs(self) -> list[Job]:
        timeout_s = CHECKPOINT_S if self._dirty_since_s is not None else None
        jobs: list[Job] = []
        with contextlib.suppress(queue.Empty):
            jobs.append(self.jobs.get(timeout=DISK_RETRY_S if self._refused else timeout_s))
            while len(jobs) < GROUP_MAX:
                jobs.append(self.jobs.get_nowait())
        return jobs

    def _plan(self, job: Job, news: Done) -> None:
        changes = self._unsaved
        match job:
            case Put():
                news.rows.append(self.store.put(changes, job.detected_ns, job.violation, job.void))
                if job.episode_id is not None:
                    self.repair.meet(job.episode_id)
                    changes.keep_episode(job.episode_id, job.episode, self.store.episode_ids)
            case Episode():
                self.repair.meet(job.episode_id)
                changes.keep_episode(job.episode_id, job.state, self.store.episode_ids)
            case JourneyKept():
                changes.keep_journey(job.journey_id, job.state, self.store.journey_ids)
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
            case Suspect():
                self.repair.look_at(job.row, self.store, changes, news)
            case Asked():
                self.repair.answer(job.ask, self.store, changes, news)
            case Found():
                self.repair.put(job.mended, self.store, changes, news)
            case Failed():
                raise job.error

    def _move(self, rows: tuple[Row, ...], news: Done) -> None:
        """Move rows to keys of a new epoch, which no one can have used."""
        self.store.begin_epoch(self._unsaved, max(*self.store.last_seqs, self.wall_s - 1) + 1)
        moved = []
        for old in rows:
            row = self.store.put(self._unsaved, old.detected_ns, old.violation, old.void)
            self._unsaved.forget(old.key)
            moved.append((old.key, row))
        news.moved += moved
        self._log.moved(moved)

    def _keep(self, news: Done) -> None:
        """Commit the planned changes; on a full disk free the ballast, then wait."""
        try:
            if not self.store.is_writable:
                self._take_file(news)
            elif self.store.commit(self._unsaved) and self._dirty_since_s is None:
                self._dirty_since_s = time.monotonic()
        except sqlite3.Error as error:
            if is_damaged(error) and self._start_anew(news):
                return
            self._count("outbox.disk")
            self._well_since_s = time.monotonic()
            if self._ballast.free():
                self._count("outbox.ballast_freed")
                self._keep(news)
                return
            self._degraded.difference_update(DISK_REFUSED)
            self._degraded.add(refusal(error, self.path.parent))
            return
        self._unsaved = Changes()
        self._degraded.difference_update(DISK_REFUSED)

    def _take_file(self, news: Done) -> None:
        """Open the file that the disk refused so far; sqlite3.Error where it still does."""
        if not self.store.is_read and _may_exist(self.path):
            self.store.read(self.path)
            self._degraded.discard(UNREAD)
            news.found = dict(self.store.remaining)
            news.episodes += self.store.episodes()  # of the last run; nobody has them yet
            self.repair.look_for_losses(self.store, self._mark.found)
        if self.store.must_move:  # our keys may be in it
            self._move(tuple(row for row in self._unsaved.rows.values() if row is not None), news)
            self.store.must_move = False
        self.store.take(self.path, self._unsaved)
        self._dirty_since_s = time.monotonic()
        self._degraded.discard(IN_MEMORY)

    def _start_anew(self, news: Done) -> bool:
        """Begin a new file in place of a damaged one; what that still gives comes as a job.

        False : the file can't be moved, and nothing of it is in use
        """
        before = self.store
        aside = set_aside(self.path, self.wall_s)
        if aside is None and not before.is_writable:
            return False
        before.close()
        self._salvage(aside)
        self.store = self._open(max(self.wall_s, before.epoch + 1))
        self.store.last_seqs = before.last_seqs | self.store.last_seqs
        self.repair.begin(self.store, None, self._unsaved, frozenset(before.episode_ids))
        news.lost = True
        self._keep(news)
        return True

    def _salvage(self, aside: Path | None) -> None:
        """Read what a damaged file still gives; None: it could not be moved."""
        self.repair.salvage(aside or self.path, self._esn)

    def _set_aside(self) -> bool:
        aside = set_aside(self.path, self.wall_s)
        self._salvage(aside)
        return aside is not None

    def _open(self, epoch_min: int) -> Store:
        """Open the database; a damaged or foreign one is set aside, one that a disk refuses is only read."""
        if is_headless(self.path) or is_in_the_way(self.path):  # SQLite would delete the WAL of the first
            self._set_aside()
        for _ in range(3):
            try:
                return Store(self.path, epoch_min, self._esn)
            except sqlite3.Error as error:
                refused = error
                if is_damaged(error):
                    if not self._set_aside():
                        break
                elif not self._ballast.free():
                    break
        self._degraded |= {IN_MEMORY, refusal(refused, self.path.parent)}
        try:
            return Store.unwritable(self.path, epoch_min, self._unsaved, self._esn)
        except sqlite3.Error:  # another RSU's file that can't be moved is as good as none
            if not self.repair.has_salvaged and _may_exist(self.path):
                self._count("outbox.unread")
                self._degraded.add(UNREAD)
            return Store.unwritable(None, epoch_min, self._unsaved, self._esn)

    def _write_mark(self) -> None:
        if UNREAD in self._degraded:  # the mark of the last run is needed when the file can be read
            return
        oldest_ns = None
        with contextlib.suppress(sqlite3.Error):  # the next commit will say so
            oldest_ns = self.store.oldest_ns()
        mark = Mark(
            esn=self._esn,
            epoch=self.store.epoch,
            last_seq=self.store.seq,
            unsaved=bool(self._unsaved.rows or self._unsaved.last_seqs),
            oldest_ns=oldest_ns,
        )
        self._mark.write(self.repair.marked(mark))

    def _checkpoint(self, jobs: list[Job], news: Done) -> bool:
        """Move the WAL into the file when there is nothing to do, or it is old or long; say if it did."""
        if self._dirty_since_s is None or self._refused:
            return False
        is_old = time.monotonic() - self._dirty_since_s >= CHECKPOINT_S_MAX
        if jobs and not is_old and _size_bytes(f"{self.path}-wal") < WAL_BYTES_MAX:
            return False
        self._dirty_since_s = None
        try:
            self.store.checkpoint()
        except sqlite3.Error as error:
            self._count("outbox.disk")
            if is_damaged(error):
                self._start_anew(news)
        self._mark.sync()
        return True

    def _refill(self) -> None:
        if not self._refused and time.monotonic() - self._well_since_s > REFILL_S:
            self._ballast.fill()
            self._well_since_s = time.monotonic()

    def _news(self) -> Done:
        return Done(self.store.epoch, dict(self.store.last_seqs), degraded=self.reasons())

    def reasons(self) -> tuple[str, ...]:
        """Return why the outbox is degraded."""
        low = set() if self._ballast.held else {"disk_low"}
        return tuple(sorted(self._degraded | low))

    @property
    def _refused(self) -> bool:
        return bool(self._degraded & DISK_REFUSED)

    def _count(self, reason: str) -> None:
        self._counts[reason] = self._counts.get(reason, 0) + 1


def _epoch_min(wall_s: int, mark: Mark | None, recordings: Path | None, esn: str) -> int:
    """Return the lowest epoch that no earlier run can have had, whatever became of the database.

    Its file may be gone or an older copy, and the clock back: within a second, or a board that boots in 2020.
    """
    recorded = 0 if recordings is None else newest_epoch(recordings, esn)
    return max(wall_s, recorded + 1, 0 if mark is None else mark.epoch + 1)


def _may_exist(path: Path) -> bool:
    """Say whether there is a file, also where nobody may look."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def _size_bytes(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _nothing(*_: object) -> None:
    """Nobody is attached."""
