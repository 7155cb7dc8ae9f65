"""The numbers of the feed in SQLite: each may be a page's cursor, so none is given twice."""

import sqlalchemy as sa

from centre.store import FEED


def newest_given(db: sa.Connection) -> int:
    """Return the newest number that was given or left out; 0: none yet."""
    of_rows: int = db.scalar(sa.select(sa.func.max(FEED.c.n))) or 0
    counted: int = db.exec_driver_sql("SELECT seq FROM sqlite_sequence WHERE name = 'feed'").scalar() or 0
    return max(of_rows, counted)


def continue_after(db: sa.Connection, number: int) -> None:
    """Let the feed's next row have the number after this one."""
    db.exec_driver_sql("DELETE FROM sqlite_sequence WHERE name = 'feed'")
    db.exec_driver_sql("INSERT INTO sqlite_sequence (name, seq) VALUES ('feed', ?)", (number,))
