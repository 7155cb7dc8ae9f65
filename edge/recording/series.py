"""The recordings of one RSU: a series of files, each complete by itself; the next begins each hour.

docs/design.md section 6. A disk that is missing, read-only or full ends nothing: it is tried again.
"""

import time
from collections.abc import Callable
from pathlib import Path

from edge.age_clock import not_shown
from edge.recording.file import RecordingFile
from edge.recording.names import name_of
from edge.recording.recorder import FULL, Recorded, Recorder, Seam
from edge.recording.retention import Retention

FILE_NS = 3_600_000_000_000  # a file ends with the hour of the RSU's clock
FILE_BYTES_MAX = 2 * 2**30  # or when it is so long
DIRECTORY_MODE = 0o700
SHORT = "recording_short"  # degraded: for lack of space, violations that the centre lacks have no recording
PURGE_S, PURGE_FULL_S = 10.0, 1.0  # between two looks for files to delete; while the disk has no room


class Series(Recorder):
    """Records one run of an RSU into files of its directory; `write` and `write_state` never fail.

    Each file begins with `/site`, each but the first with the state after which it continues. The next begins
    with a `/state` of the pipeline: of another hour than the file's, or where the file is too long, or misses
    messages that the disk refused.
    """

    def __init__(
        self,
        directory: Path,
        esn: str,
        epoch: int,
        site: bytes,
        now_ns: int,
        *,
        file_bytes_max: int = FILE_BYTES_MAX,
    ) -> None:
        """Begin the first file; `start` starts the thread.  site : encoded `/site`"""
        self._prepare(directory / name_of(esn, epoch, 0))
        self.directory, self.esn, self.epoch = directory, esn, epoch
        self._site, self._file_bytes_max = site, file_bytes_max
        self.retention: Retention | None = None  # deletes files; None: all are kept
        self._purged_s: float | None = None
        self._part = 0
        self._head: tuple[Recorded, ...] = (self._site_at(now_ns),)
        self._hour = now_ns // FILE_NS  # of the newest file, or of the seam that waits for one
        self._seam_waits = False
        self._misses = False  # messages since the newest seam were dropped
        self._n_dropped_before = 0
        self._ends_early = False  # the next state begins a file, so that this one can be deleted
        self.close_chunk()

    def start(self) -> None:
        """Start the thread that closes chunks."""
        self._start()

    def write_state(self, topic: str, body: bytes, log_ns: int, stamp_ns: int) -> None:
        if self._failure is not None:
            raise self._failure
        state = Recorded(topic, body, log_ns, stamp_ns)
        if not self._begins_file(stamp_ns):
            self._put(state, log_ns)
        elif self._put(Seam(stamp_ns, (self._site_at(log_ns), state)), log_ns):
            self._seam_waits, self._misses, self._ends_early = True, False, False
            self._hour = stamp_ns // FILE_NS

    def _put(self, message: Recorded | Seam, log_ns: int) -> bool:
        is_queued = super()._put(message, log_ns)
        self._misses |= not is_queued
        return is_queued

    def _begins_file(self, stamp_ns: int) -> bool:
        if self._misses:
            return True
        if self._seam_waits:
            return False
        file = self._file
        is_long = file is not None and file.n_bytes >= self._file_bytes_max
        return stamp_ns // FILE_NS != self._hour or is_long or self._ends_early

    def _site_at(self, log_ns: int) -> Recorded:
        return Recorded("/site", self._site, log_ns, log_ns)

    def _work(self) -> None:
        super()._work()
        self.purge()

    def keep_since(
        self, stamp_ns: int | None, *, is_clock_shown_right: Callable[[], bool] = not_shown
    ) -> None:
        if self.retention is not None:
            self.retention.needed_since_ns = stamp_ns
            self.retention.is_clock_shown_right = is_clock_shown_right

    @property
    def degraded(self) -> tuple[str, ...]:
        lossy = self.retention is not None and self.retention.is_lossy
        return (*super().degraded, *([SHORT] if lossy else []))

    def purge(self) -> None:
        """Delete files that are too many, where it is time to look for them."""
        now_s, wait_s = time.monotonic(), PURGE_FULL_S if FULL in self.degraded else PURGE_S
        if self.retention is None or (self._purged_s is not None and now_s - self._purged_s < wait_s):
            return
        self._purged_s = now_s
        self._ends_early = self.retention.purge(self.path)

    # ---- under the file lock

    def _write_queued(self) -> None:
        if self._file is None:
            self._open()  # the head is written though nothing waits
        super()._write_queued()

    def _advance(self, message: Recorded | Seam) -> bool:
        if isinstance(message, Seam):
            if self._file is not None and not self._ended(message.stamp_ns):
                return False
            self._head, self._seam_waits = message.head, False
            self._open()
            return True
        if self._file is None:
            return False
        self._file.add(message)
        return True

    def _ended(self, seam_ns: int) -> bool:
        """End the file before the next begins; False where the disk refuses its last bytes for now."""
        file = self._file
        assert file is not None
        if not self._tried(file.flush):
            return False
        file.end(self._last(seam_ns))
        if not self._tried(file.flush):
            return False
        self._tried(file.sync)
        file.close()
        self._file = None
        self._part += 1
        return True

    def _open(self) -> bool:
        """Begin the next file with its head; False where the disk refuses: the next chunk tries again."""
        return self._tried(self._make)

    def _make(self) -> None:
        self.directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        while True:
            path = self.directory / name_of(self.esn, self.epoch, self._part)
            series = {"esn": self.esn, "epoch": str(self.epoch), "part": str(self._part)}
            try:
                file = RecordingFile(path, series, exclusive=True)
                break
            except FileExistsError:  # of an outbox that was lost with its epochs: never overwritten
                self._part += 1
        for message in self._head:
            file.add(message)
        self._file, self.path = file, path
        self._n_dropped_before = self._n_dropped

    def _last(self, seam_ns: int | None) -> dict[str, str] | None:
        """Return the last metadata of a file: of which tick the next continues, and what it misses."""
        n_dropped = self._n_dropped - self._n_dropped_before
        seam = {} if seam_ns is None else {"seam_ns": str(seam_ns)}
        return seam | {"dropped": str(n_dropped)}
