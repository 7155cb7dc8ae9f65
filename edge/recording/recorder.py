"""Recordings as MCAP (docs/design.md section 6): a writer that survives kill -9 and full disks; recovery."""

import errno
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from edge.age_clock import not_shown
from edge.recording.damage import ENCODING, Damage, Reading
from edge.recording.file import CHUNK_BYTES, RecordingFile
from edge.recording.reader import Recorded, named_topics, read_messages

__all__ = ["Damage", "Reading", "Recorded", "Recorder", "Seam", "named_topics", "read_messages", "recover"]

CHUNK_NS = 1_000_000_000
CHUNK_S = 0.5  # a live recorder closes its chunk this often; at most a second is lost with the process
SYNC_S = 5.0  # and waits for the medium this often: a power cut costs no more of what no violation needs
PENDING_BYTES_MAX = 16 * 2**20  # in memory, while a disk is full
FULL = "recording_full"  # degraded: the disk has no room
REFUSED = "recording_error"  # degraded: it can't be written for another reason
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Seam(NamedTuple):
    """Where the queued messages change to another file, and what that begins with."""

    stamp_ns: int  # of the state in the head: the tick after which the new file continues
    head: tuple[Recorded, ...]

    @property
    def body(self) -> bytes:
        """The longest message in it."""
        return max((message.body for message in self.head), key=len)


class Recorder:
    """Writes one file. `write` only queues; the chunk is closed by time, by size and on demand.

    Any thread may call any method. Messages that a full disk refuses wait in memory up to PENDING_BYTES_MAX,
    beyond it they are dropped and counted; the file stays whole. The longest one does not count: a state
    alone may be longer, and must not cost the messages before its chunk is closed.
    """

    def __init__(self, path: Path, *, live: bool = False) -> None:
        """Create the file; `live`: a thread closes the chunk each CHUNK_S, else log times alone do."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._prepare(path)
        self._file = RecordingFile(path)
        self.close_chunk()
        if live:
            self._start()

    _file: RecordingFile | None

    def _prepare(self, path: Path) -> None:
        self.path = path
        self.counts: dict[str, int] = {}
        self._file = None
        self._refusal: OSError | None = None  # the disk's last one
        self._is_refused = False  # the last try failed
        self._n_dropped = 0
        self._queue: list[Recorded | Seam] = []
        self._queued_bytes = self._longest_bytes = 0  # of the queue and the backlog
        self._chunk_ns: int | None = None  # log time of the first queued message
        self._queue_lock = threading.Lock()  # held for an append: the event loop never waits for the disk
        self._file_lock = threading.Lock()
        self._backlog: deque[Recorded | Seam] = deque()  # taken from the queue, but in no file yet
        self._synced_s = time.monotonic()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None  # our own bug in that thread

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._beat, name="recorder", daemon=True)
        self._thread.start()

    def write(
        self,
        topic: str,
        body: bytes,
        log_ns: int,
        publish_ns: int | None = None,
        *,
        encoding: str = ENCODING,
    ) -> None:
        """Record one message; `publish_ns` is the time of measurement where it has one.

        encoding : another one than ours is a recovered message of another program
        """
        self._put(
            Recorded(topic, body, log_ns, log_ns if publish_ns is None else publish_ns, encoding), log_ns
        )

    def write_state(self, topic: str, body: bytes, log_ns: int, stamp_ns: int) -> None:
        """Record the whole state after tick `stamp_ns`; a series may begin its next file with it."""
        self.write(topic, body, log_ns, stamp_ns)

    def keep_since(
        self, stamp_ns: int | None, *, is_clock_shown_right: Callable[[], bool] = not_shown
    ) -> None:
        """Keep what was recorded from then on, whatever its age: a violation of then is not delivered.

        stamp_ns : None: all are; 0: not known
        is_clock_shown_right() : another machine's clock agrees with ours, so that age can be counted by it;
            the recorder's thread asks
        """

    def _put(self, message: Recorded | Seam, log_ns: int) -> bool:
        """Queue a message; False where there is no room for it."""
        file = self._file
        pending = 0 if file is None else file.pending_bytes
        if self._queued_bytes - self._longest_bytes + pending > PENDING_BYTES_MAX:
            self._n_dropped += 1
            self.count("recording.dropped")
            return False
        if self._thread is None and self._is_due(log_ns):
            self.close_chunk()
        n_bytes = len(message.body)
        with self._queue_lock:
            if self._chunk_ns is None:
                self._chunk_ns = log_ns
            self._queued_bytes += n_bytes
            if n_bytes > self._longest_bytes:
                self._longest_bytes = n_bytes
            self._queue.append(message)
        return True

    def close_chunk(self) -> None:
        """Write all queued messages to the operating system, as one whole chunk."""
        with self._file_lock:
            self._write_queued()

    def make_durable(self) -> None:
        """Write all queued messages, and wait until the medium has them: a power cut takes none of them."""
        with self._file_lock:
            self._write_queued()
            self._sync()

    def close(self) -> None:
        """End the file with its summary and index."""
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
        with self._file_lock:
            self._write_queued()
            if self._file is not None:
                self._file.end(self._last(None))
                self._tried(self._file.flush)
                if self._thread is not None:
                    self._sync()
                self._file.close()

    @property
    def refused(self) -> OSError | None:
        """The disk's error where it did not store all of a closed file; None: it is whole."""
        pending = 0 if self._file is None else self._file.pending_bytes
        if self._refusal is None or not (pending or self._backlog or self._n_dropped):
            return None
        return OSError(self._refusal.errno, self._refusal.strerror, str(self.path))

    @property
    def degraded(self) -> tuple[str, ...]:
        """Reasons why nothing is recorded now; messages wait in memory as far as there is room."""
        if not self._is_refused or self._refusal is None:
            return ()
        return (FULL if self._refusal.errno in _NO_ROOM else REFUSED,)

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _is_due(self, log_ns: int) -> bool:
        old = self._chunk_ns is not None and log_ns - self._chunk_ns >= CHUNK_NS
        return old or self._queued_bytes >= CHUNK_BYTES

    def _beat(self) -> None:
        try:
            while not self._stop.wait(CHUNK_S):
                self._work()
        except BaseException as error:
            self._failure = error
            raise

    def _work(self) -> None:
        """Do what is due in the recorder's own thread."""
        if time.monotonic() - self._synced_s >= SYNC_S:
            self.make_durable()
        else:
            self.close_chunk()

    # ---- under the file lock

    def _write_queued(self) -> None:
        with self._queue_lock:
            self._backlog.extend(self._queue)
            self._queue, self._chunk_ns = [], None
        n_bytes = 0
        while self._backlog and self._advance(self._backlog[0]):
            n_bytes += len(self._backlog.popleft().body)
        with self._queue_lock:
            self._queued_bytes -= n_bytes
            if not self._backlog:
                self._longest_bytes = max((len(message.body) for message in self._queue), default=0)
        if self._file is not None:
            self._tried(self._file.flush)

    def _advance(self, message: Recorded | Seam) -> bool:
        """Put the next message into a file; False where it must wait."""
        assert self._file is not None, "one file alone has no seams"
        assert isinstance(message, Recorded), "one file alone has no seams"
        self._file.add(message)
        return True

    def _last(self, seam_ns: int | None) -> dict[str, str] | None:
        """Return the last metadata of a file; seam_ns : of the state that the next one begins with."""
        return None

    def _sync(self) -> None:
        self._synced_s = time.monotonic()
        if self._file is not None:
            self._tried(self._file.sync)

    def _tried(self, call: Callable[[], None]) -> bool:
        """Say whether the disk did it; a full or failing one is asked again with the next chunk."""
        try:
            call()
        except OSError as error:
            self._refusal, self._is_refused = error, True
            self.count("recording.disk")
            return False
        self._is_refused = False
        return True

    def count(self, reason: str) -> None:
        """Count a reason."""
        self.counts[reason] = self.counts.get(reason, 0) + 1


def recover(source: Path, target: Path) -> tuple[int, Reading]:
    """Copy every whole message of a cut or damaged file into a sound one; returns (messages, findings).

    Raises OSError where the disk does not store all of it.
    """
    reading = Reading()
    n_messages = 0
    with Recorder(target) as recorder:
        for message in read_messages(source, reading, foreign=True):
            recorder.write(
                message.topic, message.body, message.log_ns, message.publish_ns, encoding=message.encoding
            )
            n_messages += 1
    if recorder.refused is not None:
        raise recorder.refused
    return n_messages, reading
