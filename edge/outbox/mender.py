"""The thread that reads recordings for the outbox, one request after the other, beside live traffic."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from core.errors import RecordingError
from edge.outbox.history import History, newest_first
from edge.outbox.mending import Mended, Mending, pieces

PIECE = 100  # items that the keeper gets at once
BUSY_S = 0.02  # between looks whether the keeper has done its work
READ_BYTES_MAX = 8 * 2**30  # of one request: some three days of a busy RSU


class Mender(threading.Thread):
    """`ask` it from the keeper's thread; it answers with pieces through `give`."""

    def __init__(self, folder: Path, esn: str) -> None:
        super().__init__(name="outbox.mender", daemon=True)
        self.folder, self.esn = folder, esn
        self.counts: dict[str, int] = {}
        self._requests: queue.SimpleQueue[Mending | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._give: Callable[[Mended], None] = lambda found: None
        self._is_busy: Callable[[], bool] = lambda: False
        self._fail: Callable[[BaseException], None] = lambda error: None
        self.n_waiting = 0  # requests that are not served whole
        self._lock = threading.Lock()  # of that number

    def attach(
        self,
        give: Callable[[Mended], None],
        is_busy: Callable[[], bool],
        fail: Callable[[BaseException], None],
    ) -> None:
        """Set where the pieces go, how to know that the last one is not yet committed, and our own bugs."""
        self._give, self._is_busy, self._fail = give, is_busy, fail

    def ask(self, request: Mending) -> None:
        """Queue a request; the thread starts with the first."""
        with self._lock:
            self.n_waiting += 1
        self._requests.put(request)
        if not self.is_alive() and not self._stop.is_set():
            self.start()

    def end(self) -> None:
        """End the thread after the file that it reads."""
        self._stop.set()
        self._requests.put(None)

    def run(self) -> None:
        while (request := self._requests.get()) is not None and not self._stop.is_set():
            try:
                self._serve(request)
            except BaseException as error:
                self._fail(error)
                return
            with self._lock:
                self.n_waiting -= 1

    def _serve(self, request: Mending) -> None:
        history, n_bytes = History(), 0
        for path in newest_first(self.folder, self.esn):
            if self._stop.is_set():
                return
            try:
                n_bytes += path.stat().st_size
                file = history.read(path, self.esn)
            except (OSError, RecordingError):  # purged meanwhile, empty, or no recording
                self._count("outbox.recording_unread")
                continue
            self._pass_on(request.visit(file, history))
            if request.is_enough(file):
                break
            if n_bytes > READ_BYTES_MAX:
                self._count("outbox.recordings_not_all_read")
                break
        self._pass_on(request.finish(history))

    def _pass_on(self, found: Mended) -> None:
        for piece in pieces(found, PIECE):
            self._give(piece)
            while self._is_busy() and not self._stop.is_set():
                time.sleep(BUSY_S)

    def _count(self, reason: str) -> None:
        self.counts[reason] = self.counts.get(reason, 0) + 1
