"""Which of an RSU's recordings are deleted: the oldest, by age, by their size together, and for free space.

Never the file that is being written, nothing outside the directory, nothing that this RSU did not write.
"""

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from core.errors import RecordingError
from core.times import NS
from edge.age_clock import AgeClock, not_shown
from edge.recording.chain import part_of
from edge.recording.names import files_of, parsed_name
from edge.recording.reader import last_log_ns, read_messages
from edge.wire import decode_site

DAY_S = 86_400.0
FLOOR_SHARE = 0.1  # of the disk: on a small one the floor is no larger
EARLIER_NS = NS  # a violation is recorded so long before it is detected for the outbox, at most
Reason = Literal["age", "size", "space"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is kept.  free_bytes : that others find free, so long as there is a file to delete"""

    age_s: float
    total_bytes: int
    free_bytes: int


class Held(NamedTuple):
    """A closed file."""

    path: Path
    n_bytes: int
    changed_s: float  # when it was written last, by the wall clock


class Space(NamedTuple):
    """How full it is."""

    open_bytes: int  # of the file that is being written
    free_bytes: int
    disk_bytes: int


def excess(files: Sequence[Held], space: Space, limits: Limits, now_s: float) -> list[tuple[Held, Reason]]:
    """Return the files that are too many, oldest first, each with the reason. Pure.

    files : oldest first
    """
    total = space.open_bytes + sum(file.n_bytes for file in files)
    free = space.free_bytes
    floor = min(limits.free_bytes, int(FLOOR_SHARE * space.disk_bytes))
    found: list[tuple[Held, Reason]] = []
    for file in files:
        reason: Reason
        if free < floor:
            reason = "space"
        elif total > limits.total_bytes:
            reason = "size"
        elif now_s - file.changed_s > limits.age_s:
            reason = "age"
        else:
            break
        found.append((file, reason))
        total -= file.n_bytes
        free += file.n_bytes
    return found


def is_short(space: Space, limits: Limits) -> bool:
    """Say whether less is free than others should find."""
    return space.free_bytes < min(limits.free_bytes, int(FLOOR_SHARE * space.disk_bytes))


class Retention:
    """Deletes the recordings of one RSU that are too many; one thread calls `purge`.

    A file that may hold violations which the centre lacks is kept, whatever its age: it is their second copy.
    Only for free space, which the outbox needs first, it goes too; that is counted, and `is_lossy` says so.
    """

    def __init__(self, directory: Path, esn: str, limits: Limits, count: Callable[[str], None]) -> None:
        self._directory, self._esn, self._limits, self._count = directory, esn, limits, count
        self.needed_since_ns: int | None = (
            0  # of the oldest violation that the centre lacks; None: it has all
        )
        self._lost_until_ns: int | None = None  # of the newest file that was deleted though it was needed
        self._owned: dict[Path, bool] = {}  # whether a file says that this RSU wrote it
        self._ages = AgeClock(path=directory / f"{esn}.age")
        self.is_clock_shown_right: Callable[[], bool] = not_shown
        self._kept: set[Path] = set()  # that could not be deleted; each is counted once

    @property
    def is_lossy(self) -> bool:
        """Say whether violations that the centre lacks have lost their recording for lack of space."""
        since_ns, until_ns = self.needed_since_ns, self._lost_until_ns
        return since_ns is not None and until_ns is not None and since_ns <= until_ns

    def purge(self, open_path: Path) -> bool:
        """Delete what is too much; say whether space is still short, so that the open file should end."""
        try:
            files = [self._held(path) for path in self._closed(open_path)]
            space = self._space(open_path)
        except OSError:  # no directory, or no disk: the recorder reports it
            return False
        own = [file for file in files if self._is_own(file.path)]
        newest_s = max((file.changed_s for file in files), default=None)
        now_s = self._ages.now_s(time.time(), newest_s, is_shown_right=self.is_clock_shown_right())
        for file, reason in excess(own, space, self._limits, now_s):
            if self._is_needed(file.path) and not self._given_up(file, reason):
                break  # so are all that follow
            self._delete(file, reason)
        with contextlib.suppress(OSError):
            space = self._space(open_path)
        return is_short(space, self._limits)

    def _closed(self, open_path: Path) -> list[Path]:
        """Return the files but the one that is being written, and any that another thread has begun since."""
        newest = parsed_name(open_path.name, self._esn)
        assert newest is not None, "the series gives the name"
        files = files_of(self._directory, self._esn)
        named = [(parsed_name(path.name, self._esn) or newest, path) for path in files]
        return [path for name, path in named if name.epoch != newest.epoch or name.part < newest.part]

    def _held(self, path: Path) -> Held:
        facts = path.lstat()
        return Held(path, facts.st_size, facts.st_mtime)

    def _space(self, open_path: Path) -> Space:
        disk = os.statvfs(self._directory)
        open_bytes = open_path.stat().st_size if open_path.exists() else 0
        return Space(open_bytes, disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize)

    def _is_own(self, path: Path) -> bool:
        """Say whether a file says that this RSU wrote it; another one of such a name is never deleted."""
        if path not in self._owned:
            self._owned[path] = _esn_of(path) == self._esn
            if not self._owned[path]:
                self._count("recording.not_ours")
        return self._owned[path]

    def _is_needed(self, path: Path) -> bool:
        since_ns = self.needed_since_ns
        return since_ns is not None and _last_ns(path) >= since_ns - EARLIER_NS

    def _given_up(self, file: Held, reason: Reason) -> bool:
        """Say whether a needed file has to go; it is noted then."""
        if reason != "space":
            return False
        self._lost_until_ns = max(self._lost_until_ns or 0, _last_ns(file.path))
        self._count("recording.purged_unacknowledged")
        return True

    def _delete(self, file: Held, reason: Reason) -> None:
        try:
            file.path.unlink()
        except OSError:
            if file.path not in self._kept:
                self._count("recording.not_purged")
            self._kept.add(file.path)
            return
        self._owned.pop(file.path, None)
        self._count(f"recording.purged.{reason}")


def _esn_of(path: Path) -> str | None:
    """Return the RSU that a file says it is of; None where it says nothing."""
    try:
        part = part_of(path)
        if part.esn is not None:
            return part.esn
        first = next(read_messages(path), None)  # of an earlier version
        return decode_site(first.body).esn if first is not None and first.topic == "/site" else None
    except (OSError, RecordingError, msgspec.DecodeError, ValueError):
        return None


def _last_ns(path: Path) -> int:
    """Return the log time of the last message; of a file that was cut off, when it was written last."""
    with contextlib.suppress(OSError, RecordingError):
        found = last_log_ns(path)
        if found is not None:
            return found
    with contextlib.suppress(OSError):
        return path.stat().st_mtime_ns
    return 0
