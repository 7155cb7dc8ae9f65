"""Cuts a clip out of an RSU's recordings: what a replay needs to give the violations of a time again.

A clip begins with a `/state` from before that time, or where the RSU was started, and holds every message
from there on as it was recorded. Where the RSU was started anew meanwhile, it is several files.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import RecordingError
from core.times import NS
from edge.clip_messages import CLIP_BYTES_MAX, CLIP_FILES_MAX, ClipFile, Outcome
from edge.recording.damage import Reading
from edge.recording.file import CHUNK_BYTES, RecordingFile
from edge.recording.names import FileName, name_of, parsed_name
from edge.recording.reader import Recorded, last_log_ns, read_messages

WORK_S = 0.005  # of reading, between pauses
SHORT_NS = 5 * NS  # a clip that ends so much before the wanted time lacks something
PAUSE_FACTOR = 3.0  # a pause is so much longer than the work before it: a quarter of a core at most


class NoClipError(Exception):
    """There is no clip.  outcome : why, in a word"""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason


@dataclass(slots=True)
class Clip:
    """The files of a clip, and what it lacks."""

    files: list[Path] = field(default_factory=list)
    described: list[ClipFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """What it lacks, in a line; empty: nothing."""
        return "; ".join(dict.fromkeys(self.notes))


def cut(
    files: Sequence[Path], esn: str, from_ns: int, to_ns: int, folder: Path,
    *, bytes_max: int = CLIP_BYTES_MAX, is_ending: Callable[[], bool] = lambda: False,
) -> Clip:  # fmt: skip
    """Write the clip of [from_ns, to_ns] into an empty folder.

    is_ending : asked while it reads: the process ends, and waits for nobody
    files : the RSU's recordings, oldest first.  Raises NoClipError, and OSError of the disk
    """
    clip = Clip()
    left, ends_ns = bytes_max, 0
    for epoch, paths in _by_epoch(_within(files, esn, from_ns, to_ns)):
        if len(clip.files) == CLIP_FILES_MAX:
            clip.notes.append(f"the RSU was started more than {CLIP_FILES_MAX} times")
            break
        writer = _Cut(folder, (esn, epoch), from_ns if not clip.files else 0, left)
        path = writer.write(_messages(paths, to_ns, clip.notes, is_ending))
        if path is None:
            continue
        if (
            writer.ends_ns < from_ns
        ):  # of a file that is being written: only reading it shows how far it reaches
            path.unlink()
            continue
        if not clip.files and writer.begins_ns > from_ns:
            late_s = (writer.begins_ns - from_ns) / NS
            why = "the RSU was off, or what was before is deleted"
            clip.notes.append(f"the recording begins {late_s:.1f} s later than asked: {why}")
        left, ends_ns = left - path.stat().st_size, writer.ends_ns
        clip.files.append(path)
        clip.described.append(_described(path))
    if not clip.files:
        raise NoClipError("none", "no recording of that time: it was deleted, or the disk took none")
    if ends_ns < to_ns - SHORT_NS:
        clip.notes.append(f"the recording ends {(to_ns - ends_ns) / NS:.1f} s before the end of the time")
    return clip


def _within(files: Sequence[Path], esn: str, from_ns: int, to_ns: int) -> list[tuple[FileName, Path]]:
    """Return the files that hold messages of that time, by what they say of themselves."""
    found = []
    for path in files:
        name = parsed_name(path.name, esn)
        if name is None:
            continue
        try:
            first = next(read_messages(path), None)
            last_ns = last_log_ns(path)
        except (OSError, RecordingError):
            continue
        # without a summary it is being written, or was cut off: it may reach to any time
        if first is not None and first.log_ns <= to_ns and (last_ns is None or last_ns >= from_ns):
            found.append((name, path))
    return _without_earlier(found, from_ns)


def _without_earlier(found: list[tuple[FileName, Path]], from_ns: int) -> list[tuple[FileName, Path]]:
    """Leave out files before the last one that begins no later than from_ns: it has a state before that."""
    begins = [i for i, (_, path) in enumerate(found) if next(read_messages(path)).log_ns <= from_ns]
    return found[begins[-1] :] if begins else found


def _by_epoch(found: Sequence[tuple[FileName, Path]]) -> Iterator[tuple[int, list[Path]]]:
    """Yield the files of each start of the RSU."""
    for epoch in dict.fromkeys(name.epoch for name, _ in found):
        yield epoch, [path for name, path in found if name.epoch == epoch]


def _messages(
    paths: Sequence[Path], to_ns: int, notes: list[str], is_ending: Callable[[], bool]
) -> Iterator[Recorded]:
    """Yield the messages up to a time, all of that time with them; pauses leave the cores to others."""
    begun_s = time.thread_time()
    for path in paths:
        reading, is_over = Reading(), False
        for message in read_messages(path, reading):
            is_over = message.log_ns > to_ns
            if is_over:
                break
            yield message
            worked_s = time.thread_time() - begun_s
            if worked_s > WORK_S:
                if is_ending():
                    raise NoClipError("failed", "the RSU ends")
                time.sleep(PAUSE_FACTOR * worked_s)
                begun_s = time.thread_time()
        if reading.n_damages:
            notes.append(f"{path.name}: {reading.text()}")
        if is_over:
            return


class _Cut:
    """One file of a clip: begun anew at each state that still is before the wanted time."""

    def __init__(self, folder: Path, of: tuple[str, int], from_ns: int, bytes_max: int) -> None:
        """of : ESN and epoch.  from_ns : 0: from the start on"""
        self._folder, (self._esn, self._epoch) = folder, of
        self._from_ns, self._bytes_max = from_ns, bytes_max
        self._file: RecordingFile | None = None
        self._part = 0
        self._waiting = 0  # bytes since the last flush
        self.begins_ns = self.ends_ns = 0

    def write(self, messages: Iterator[Recorded]) -> Path | None:
        """Write the file and return it; None where there was nothing."""
        site: Recorded | None = None
        try:
            for message in messages:
                if message.topic == "/site":
                    site = site or message
                    continue
                is_state = message.topic.startswith("/state/")
                begins = self._file is None or (is_state and message.log_ns <= self._from_ns)
                if site is not None and begins:
                    self._begin(site, message, continues=is_state)
                elif self._file is not None:
                    self._add(message)
            return self._end()
        except BaseException:
            if self._file is not None:
                self._file.close()
            raise

    def _begin(self, site: Recorded, first: Recorded, *, continues: bool) -> None:
        if self._file is not None:
            path = self._file.path
            self._file.close()
            path.unlink()
        part = 1 if continues else 0
        path = self._folder / name_of(self._esn, self._epoch, part)
        series = {"esn": self._esn, "epoch": str(self._epoch), "part": str(part)}
        self._file, self._waiting, self.begins_ns = RecordingFile(path, series), 0, first.log_ns
        self._file.add(site)
        self._add(first)

    def _add(self, message: Recorded) -> None:
        assert self._file is not None
        self._file.add(message)
        self.ends_ns = message.log_ns
        self._waiting += len(message.body)
        if self._waiting >= CHUNK_BYTES:
            self._file.flush()
            self._waiting = 0
            if self._file.n_bytes > self._bytes_max:
                raise NoClipError("too_large", f"the clip is longer than {self._bytes_max} bytes")

    def _end(self) -> Path | None:
        if self._file is None:
            return None
        file, self._file = self._file, None
        file.end()
        file.flush()
        file.close()
        if file.n_bytes > self._bytes_max:
            raise NoClipError("too_large", f"the clip is longer than {self._bytes_max} bytes")
        return file.path


def _described(path: Path) -> ClipFile:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").digest()
    return ClipFile(name=path.name, n_bytes=path.stat().st_size, sha256=digest)
