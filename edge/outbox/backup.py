"""A copy of a live outbox, through SQLite's own backup: one moment of it, checked, whole or not at all."""

import contextlib
import sqlite3
from pathlib import Path

import msgspec

from core.errors import CommandError, UsageError
from edge.outbox.changes import Changes
from edge.outbox.history import newest_first
from edge.outbox.mark import Mark, MarkFile
from edge.outbox.opening import FILE_MODE, FOLDER_MODE
from edge.outbox.store import Store
from edge.sqlite_copy import copy_live

PAGES_OF_A_STEP = 256  # 1 MiB: the RSU commits between two steps
RECORDINGS_MAX = 100  # that are listed


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A recording that has what the outbox lacks."""

    name: str
    n_bytes: int


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """What a copy holds, and the recordings that complete it."""

    esn: str
    file: str
    items: int  # that waited for the centre
    epochs: dict[str, int]  # last seq of each
    recordings: tuple[Listed, ...]  # the newest first


def back_up(path: Path, esn: str, recordings: Path, to: Path) -> Backup:
    """Copy the outbox at `path` into the directory `to`, and list the recordings beside it.

    Raises UsageError where there is no outbox or `to` is its own directory, CommandError where the copy is
    damaged or can't be written.
    """
    if not path.is_file():
        raise UsageError(f"{path}: there is no outbox")
    target = to / path.name
    if to.resolve() == path.parent.resolve():
        raise UsageError(f"{to}: is the outbox's own directory; choose another one")
    part = target.with_name(f"{target.name}.part")
    try:
        to.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        copy_live(path, part, PAGES_OF_A_STEP)
        items, epochs = _waiting(part)
        part.replace(target)
        _mark(target)
        files = newest_first(recordings, esn)[:RECORDINGS_MAX]
        listed = tuple(Listed(name=each.name, n_bytes=each.stat().st_size) for each in files)
        backup = Backup(esn=esn, file=target.name, items=items, epochs=epochs, recordings=listed)
        about = to / f"{esn}.backup.json"
        about.write_bytes(msgspec.json.format(msgspec.json.encode(backup), indent=2))
        about.chmod(FILE_MODE)
    except (OSError, sqlite3.Error) as error:
        raise CommandError(f"{to}: the backup failed: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return backup


def _mark(target: Path) -> None:
    """Write the mark by which a start on the copy reads what was recorded after it."""
    store = Store.unwritable(target, 0, Changes())
    newest = max(store.stored, default=0)
    oldest_ns = store.oldest_ns()
    store.close()
    path = target.with_name(f"{target.name}.mark")
    path.unlink(missing_ok=True)
    marks = MarkFile(path)
    last_seq = store.stored.get(newest, 0)
    marks.write(Mark(epoch=newest, last_seq=last_seq, rebuilding=True, oldest_ns=oldest_ns))
    marks.sync()
    marks.close()


def _waiting(part: Path) -> tuple[int, dict[str, int]]:
    """Return how many items wait in a copy, and the last seq of each epoch."""
    with contextlib.closing(sqlite3.connect(part)) as copy:
        (items,) = copy.execute("SELECT count(*) FROM item").fetchone()
        epochs = {str(epoch): seq for epoch, seq in copy.execute("SELECT epoch, last_seq FROM epoch")}
    return items, epochs
