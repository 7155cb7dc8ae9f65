"""Reads what a damaged outbox still gives: row by row, around the pages that are damaged."""

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.outbox.changes import Key, Row
from edge.outbox.opening import columns_of, open_readable, owner_of

PROBES_MAX = 20_000  # keys that are looked for one by one between the readable ends of the table


@dataclass(slots=True)
class Salvaged:
    """The sound rows of a damaged file."""

    rows: dict[Key, Row] = field(default_factory=dict)
    last_seqs: dict[int, int] = field(default_factory=dict)
    episodes: dict[str, bytes] = field(default_factory=dict)
    journeys: dict[str, bytes] = field(default_factory=dict)
    is_foreign: bool = False  # the file is another RSU's: nothing of it is ours


def salvage(path: Path, esn: str = "") -> Salvaged:
    """Return what can be read of a damaged file with its WAL, and of the file alone.

    esn : whose it is; nothing is read of another RSU's file, which would be sent under our name
    """
    found = Salvaged()
    for name in ("", "?immutable=1"):  # the second looks at no WAL
        with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(path, name)) as db:
            if esn and _owner(db) not in ("", esn):
                return Salvaged(is_foreign=True)
            _read(db, found)
    return found


def _owner(db: sqlite3.Connection) -> str:
    with contextlib.suppress(sqlite3.Error):
        return owner_of(db)
    return ""


def _opened(path: Path, name: str) -> sqlite3.Connection:
    if not name:
        return open_readable(path, check=False)
    db = sqlite3.connect(f"{path.absolute().as_uri()}{name}", uri=True)
    db.text_factory = lambda raw: raw.decode(errors="replace")
    return db


def _read(db: sqlite3.Connection, found: Salvaged) -> None:
    with contextlib.suppress(sqlite3.Error):
        for epoch, last_seq in db.execute("SELECT epoch, last_seq FROM epoch"):
            if isinstance(epoch, int) and isinstance(last_seq, int):
                found.last_seqs[epoch] = max(last_seq, found.last_seqs.get(epoch, 0))
    for table, kept in (("episode", found.episodes), ("journey", found.journeys)):
        for order in ("", " DESC"):
            rows = _rows(db, f"SELECT id, state FROM {table} ORDER BY id{order}")  # noqa: S608
            for name, state in rows:
                if isinstance(name, str) and isinstance(state, bytes):
                    kept.setdefault(name, state)
    with contextlib.suppress(sqlite3.Error):
        columns = columns_of(db, "item")
        if columns is not None:
            _read_items(db, columns, found)


def _read_items(db: sqlite3.Connection, columns: str, found: Salvaged) -> None:
    """Read from both ends until a damaged page stops it, then key by key in between."""
    query = f"SELECT {columns} FROM item"  # noqa: S608
    for order in ("", " DESC"):
        for values in _rows(db, f"{query} ORDER BY epoch{order}, seq{order}"):
            _keep(values, found)
    n_probes = 0
    for epoch, last_seq in found.last_seqs.items():
        for seq in range(1, last_seq + 1):
            if Key(epoch, seq) in found.rows:
                continue
            n_probes += 1
            if n_probes > PROBES_MAX:
                return
            for values in _rows(db, f"{query} WHERE epoch = {epoch:d} AND seq = {seq:d}"):
                _keep(values, found)


def _keep(values: tuple[object, ...], found: Salvaged) -> None:
    epoch, seq, detected_ns, violation, void, sha256 = values
    if not isinstance(epoch, int) or not isinstance(seq, int):
        return
    row = Row(Key(epoch, seq), detected_ns, violation, void, sha256)  # type: ignore[arg-type]
    if sha256 is not None and row.is_sound:  # nothing else of a damaged file can be believed
        found.rows.setdefault(row.key, row)


def _rows(db: sqlite3.Connection, query: str) -> Iterator[tuple[object, ...]]:
    """Yield rows until the file's damage ends it."""
    with contextlib.suppress(sqlite3.Error):
        yield from db.execute(query)
