"""An outbox file of another version: completed or set aside, never taken for a disk that refuses."""

import sqlite3
from pathlib import Path

import pytest

from edge.outbox.changes import Changes
from edge.outbox.store import Store, is_damaged


def _made(path: Path, *statements: str) -> None:
    store = Store(path, 5)
    changes = Changes()
    store.put(changes, 1, b"kept", None)
    store.commit(changes)
    store.close()
    db = sqlite3.connect(path)
    for statement in statements:
        db.execute(statement)
    db.commit()
    db.close()


@pytest.mark.parametrize("column", ["detected_ns", "void"])
def test_a_column_that_may_be_nil_is_added_and_what_waits_is_kept(tmp_path: Path, column: str) -> None:
    path = tmp_path / "o.sqlite"
    _made(path, f"ALTER TABLE item DROP COLUMN {column}")
    store = Store(path, 5)
    changes = Changes()
    store.put(changes, 2, None, "lost")
    store.commit(changes)
    rows = store.load(9, ())
    assert [(row.violation, row.void) for row in rows] == [(b"kept", None), (None, "lost")]
    store.close()


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE epoch DROP COLUMN last_seq", "ALTER TABLE episode DROP COLUMN state"],
)
def test_a_file_that_can_t_be_completed_is_set_aside_like_a_damaged_one(
    tmp_path: Path, statement: str
) -> None:
    path = tmp_path / "o.sqlite"
    _made(path, statement)
    with pytest.raises(sqlite3.DatabaseError, match="lacks column") as refused:
        Store(path, 5)
    assert is_damaged(refused.value)
