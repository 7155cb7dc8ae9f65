"""A tiny file beside the outbox that knows how far the outbox had come: what the database lacks shows by it.

SQLite drops a WAL from its first bad frame on without a word, and a deleted file is a new one. The mark is
written after each commit without waiting for the disk (kill -9 keeps it) and synced with each checkpoint; it
is never ahead of an undamaged database, unless the disk refused the last items. Two slots in turn, each with
a checksum: a torn write costs the newer one only.

The same mark lies beside the recordings. An older copy of the outbox that somebody puts back with its own
mark is sound in itself: what it lacks shows by this twin.
"""

import contextlib
import os
import zlib
from pathlib import Path

import msgspec

SLOT_BYTES = 512


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the outbox after a commit."""

    n: int = 0  # counts up within a file; the slot is n % 2
    esn: str = ""  # the RSU that this outbox belongs to; empty: an earlier version wrote the mark
    epoch: int
    last_seq: int  # that was given
    unsaved: bool = False  # the disk refused the last items: they lie in memory, and in the recording
    rebuilding: bool = False  # it is being rebuilt from the recordings, from `oldest_ns` on
    oldest_ns: int | None = None  # when the oldest waiting item was detected


def read_mark(path: Path, esn: str = "") -> Mark | None:
    """Return the newest whole mark; None where there is none.

    esn : whose; a slot that another RSU wrote counts as empty.  Empty: of any
    """
    try:
        raw = path.read_bytes()[: 2 * SLOT_BYTES]
    except OSError:
        return None
    marks = (_read_slot(raw[at : at + SLOT_BYTES]) for at in (0, SLOT_BYTES))
    return _newest(*(mark for mark in marks if mark is not None and (not esn or mark.esn in ("", esn))))


def _read_slot(slot: bytes) -> Mark | None:
    size = int.from_bytes(slot[4:6], "little")
    body = slot[6 : 6 + size]
    if not size or zlib.crc32(body) != int.from_bytes(slot[:4], "little"):
        return None
    try:
        return msgspec.json.decode(body, type=Mark)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _newest(*marks: Mark | None) -> Mark | None:
    """Return the newest one: each start has a higher epoch; `n` counts anew where a file was lost."""
    found = (mark for mark in marks if mark is not None)
    return max(found, key=lambda mark: (mark.epoch, mark.n), default=None)


def _of_last_run(own: Mark | None, twin: Mark | None) -> Mark | None:
    """Return what a start believes: the newest mark, completed where its own says it lies beside a copy.

    Such a copy is no damage; the recordings are read from the oldest time that either mark knows.
    """
    newest = _newest(own, twin)
    if own is None or newest is None or not own.rebuilding:
        return newest
    known_ns = [mark.oldest_ns for mark in (own, twin) if mark is not None and mark.oldest_ns is not None]
    return msgspec.structs.replace(newest, rebuilding=True, oldest_ns=min(known_ns, default=None))


class MarkFile:
    """Writes marks; a disk that refuses costs the mark only.

    twin : where the same mark lies; None: nowhere.  esn : whose they are; another RSU's don't count
    """

    def __init__(self, path: Path, twin: Path | None = None, esn: str = "") -> None:
        own, other = read_mark(path, esn), None if twin is None else read_mark(twin, esn)
        self._last = _newest(own, other)
        self.found = _of_last_run(own, other)
        paths = [path] if twin is None else [path, twin]
        self._fds: dict[Path, int | None] = dict.fromkeys(paths)

    def write(self, mark: Mark) -> None:
        """Write a mark where it differs from the last one; its number is set here."""
        last = self._last
        n = 1 if last is None else last.n + 1
        mark = msgspec.structs.replace(mark, n=n)
        is_open = None not in self._fds.values()
        if last is not None and mark == msgspec.structs.replace(last, n=n) and is_open:
            return
        body = msgspec.json.encode(mark)
        head = zlib.crc32(body).to_bytes(4, "little") + len(body).to_bytes(2, "little")
        slot = (head + body).ljust(SLOT_BYTES, b"\0")
        for path in self._fds:
            if self._put(path, slot, n % 2 * SLOT_BYTES):
                self._last = mark  # where the disk refuses both, it is tried again with the next commit

    def _put(self, path: Path, slot: bytes, at: int) -> bool:
        """Write a slot of one file; return whether the disk took it."""
        fd = self._fds[path]
        try:
            if fd is None:
                fd = self._fds[path] = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            os.pwrite(fd, slot, at)
        except OSError:
            return False
        return True

    def sync(self) -> None:
        """Wait until the disk has it."""
        for fd in self._fds.values():
            if fd is not None:
                with contextlib.suppress(OSError):  # the next commit will say what is wrong with the disk
                    os.fdatasync(fd)

    def close(self) -> None:
        for path, fd in self._fds.items():
            if fd is not None:
                os.close(fd)
                self._fds[path] = None
