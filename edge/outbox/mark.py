"""A tiny file beside the outbox that knows how far the outbox had come: what the database lacks shows by it.

SQLite drops a WAL from its first bad frame on without a word, and a deleted file is a new one. The mark is
written after each commit without waiting for the disk (kill -9 keeps it) and synced with each checkpoint; it
is never ahead of an undamaged database, unless the disk refused the last items. Two slots in turn, each with
a checksum: a torn write costs the newer one only.
"""

import os
import zlib
from pathlib import Path

import msgspec

SLOT_BYTES = 512


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the outbox after a commit."""

    n: int = 0  # counts up; the slot is n % 2
    epoch: int
    last_seq: int  # that was given
    unsaved: bool = False  # the disk refused the last items: they lie in memory, and in the recording
    rebuilding: bool = False  # it is being rebuilt from the recordings, from `oldest_ns` on
    oldest_ns: int | None = None  # when the oldest waiting item was detected


def read_mark(path: Path) -> Mark | None:
    """Return the newest whole mark; None where there is none."""
    try:
        raw = path.read_bytes()[: 2 * SLOT_BYTES]
    except OSError:
        return None
    marks = [_read_slot(raw[at : at + SLOT_BYTES]) for at in (0, SLOT_BYTES)]
    return max((mark for mark in marks if mark is not None), key=lambda mark: mark.n, default=None)


def _read_slot(slot: bytes) -> Mark | None:
    size = int.from_bytes(slot[4:6], "little")
    body = slot[6 : 6 + size]
    if not size or zlib.crc32(body) != int.from_bytes(slot[:4], "little"):
        return None
    try:
        return msgspec.json.decode(body, type=Mark)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class MarkFile:
    """Writes marks; a disk that refuses costs the mark only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._last: Mark | None = read_mark(path)
        self.found = self._last  # of the last run
        self._fd: int | None = None

    def write(self, mark: Mark) -> None:
        """Write a mark where it differs from the last one; its number is set here."""
        last = self._last
        n = 1 if last is None else last.n + 1
        mark = msgspec.structs.replace(mark, n=n)
        if last is not None and mark == msgspec.structs.replace(last, n=n) and self._fd is not None:
            return
        body = msgspec.json.encode(mark)
        head = zlib.crc32(body).to_bytes(4, "little") + len(body).to_bytes(2, "little")
        try:
            if self._fd is None:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(self._fd, (head + body).ljust(SLOT_BYTES, b"\0"), n % 2 * SLOT_BYTES)
        except OSError:  # it is tried again with the next commit
            return
        self._last = mark

    def sync(self) -> None:
        """Wait until the disk has it."""
        if self._fd is not None:
            try:
                os.fdatasync(self._fd)
            except OSError:  # the next commit will say what is wrong with the disk
                return

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
