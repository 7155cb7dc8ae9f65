"""Where the files of the history lie, and which are deleted: by age, by size, for free space."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from centre.history.file import SUFFIX, delete
from core.times import NS
from edge.age_clock import AgeClock
from edge.recording.retention import Held, Limits, Space, excess, is_short

DAY_S = 86_400.0
HOUR_NS = 3_600 * NS
DRAFT = ".new"
_HOUR = re.compile(r"^(\d{9,10})(?:\.damaged)?\.sqlite$")  # the hour's first second
_CLIP = re.compile(r"^(\d{9,10})-([A-Za-z0-9_-]{1,64})\.sqlite$")  # the violation's first second, and its id
ID = re.compile(r"^[A-Za-z0-9_-]{1,64}$")


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is kept of the hours and of the clips."""

    hours: Limits
    clips: Limits


class Folder:
    """The folder of one centre's history: `hours/` with a file an hour, `clips/` with a file a violation."""

    def __init__(self, path: Path) -> None:
        self.path, self.hours, self.clips = path, path / "hours", path / "clips"
        self._ages = AgeClock(path=path / "age")

    def make(self) -> None:
        """Make the folders where they are missing, for this user alone; raises OSError."""
        for each in (self.path, self.hours, self.clips):
            each.mkdir(mode=0o700, parents=each is self.path, exist_ok=True)

    def hour(self, stamp_ns: int) -> Path:
        """Return the file of the hour of a stamp."""
        return self.hours / f"{stamp_ns // HOUR_NS * 3_600}{SUFFIX}"

    def hours_between(self, from_ns: int, to_ns: int) -> list[Path]:
        """Return the files of the hours of a time that are there, oldest first."""
        first = from_ns // HOUR_NS * 3_600
        return [path for start_s, path in self._hours() if first <= start_s <= to_ns // NS]

    def hour_span(self) -> tuple[int, int] | None:
        """Return the first second of the oldest and of the newest hour; None: there is no file."""
        starts = [start_s for start_s, _ in self._hours()]
        return (starts[0], starts[-1]) if starts else None

    def _hours(self) -> list[tuple[int, Path]]:
        return sorted((start_s, path) for start_s, path in _named(self.hours, _HOUR) if _is_whole(path))

    def clip(self, violation: str, start_ns: int) -> Path:
        return self.clips / f"{start_ns // NS}-{violation}{SUFFIX}"

    def draft(self, path: Path) -> Path:
        """Return where a clip is written before it is whole."""
        return path.with_name(f".{path.name}{DRAFT}")

    def delete_drafts(self) -> None:
        """Delete drafts that a killed centre left: they hold plates, and no limit counts them."""
        for path in self.clips.glob(f".*{DRAFT}"):
            delete(path)

    def clip_of(self, violation: str) -> Path | None:
        """Return the file of a violation's clip; None: there is none."""
        if not ID.match(violation):
            return None
        found = sorted(self.clips.glob(f"*-{violation}{SUFFIX}"))  # the pattern has no special letters
        return next((path for path in found if (m := _CLIP.match(path.name)) and m[2] == violation), None)

    def usage(self) -> tuple[int, int, int]:
        """Return the bytes of all hours, the number of clips, and their bytes."""
        hours = [_size(path) for _, path in _named(self.hours, _HOUR)]
        clips = [_size(path) for _, path in _named(self.clips, _CLIP)]
        return sum(hours), len(clips), sum(clips)

    def purge(self, policy: Policy, now_ns: int, *, is_shown_right: bool = False) -> tuple[list[Path], bool]:
        """Delete what is too much, the oldest first; return it, and whether space is still short.

        is_shown_right : the clocks of RSUs agree with ours
        The hour of `now_ns` is written and stays. Hours go before clips: they are deleted sooner anyway.
        """
        open_path = self.hour(now_ns)
        deleted: list[Path] = []
        kept = (*_named(self.hours, _HOUR), *_named(self.clips, _CLIP))
        newest_s = max((start_s for start_s, path in kept if path != open_path), default=None)
        now_s = self._ages.now_s(now_ns / NS, newest_s, is_shown_right=is_shown_right)
        for folder, pattern, limits, length_s in (
            (self.hours, _HOUR, policy.hours, 3_600),
            (self.clips, _CLIP, policy.clips, 0),
        ):
            found = sorted(_named(folder, pattern))
            files = [
                Held(path, _size(path), start_s + length_s) for start_s, path in found if path != open_path
            ]
            open_bytes = _size(open_path) if folder is self.hours else 0
            for file, _ in excess(files, self._space(open_bytes), limits, now_s):
                with contextlib.suppress(OSError):  # it stays, and is tried again with the next purge
                    delete(file.path)
                    deleted.append(file.path)
        return deleted, is_short(self._space(0), policy.hours)

    def _space(self, open_bytes: int) -> Space:
        disk = shutil.disk_usage(self.path)
        return Space(open_bytes, disk.free, disk.total)


def _named(folder: Path, pattern: re.Pattern[str]) -> Iterator[tuple[int, Path]]:
    """Yield first second and path of the files of a folder; other files are not ours."""
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            match = pattern.match(entry.name)
            if match is not None:
                yield int(match[1]), Path(entry.path)


def _is_whole(path: Path) -> bool:
    return ".damaged" not in path.suffixes


def _size(path: Path) -> int:
    """Return the bytes of a file and of its log."""
    total = 0
    for each in (path, path.with_name(f"{path.name}-wal")):
        with contextlib.suppress(OSError):
            total += each.stat().st_size
    return total
