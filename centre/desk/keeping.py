"""How long the desk keeps what it has: a row of handling as long as its episode, the rest for some time.

The audit log is not the desk's to shorten. Blocking.
"""

from collections import Counter

import sqlalchemy as sa

from centre.desk import exercise
from centre.desk.loss_rows import PREFIX
from centre.desk_tables import EXERCISE, HANDLING, LOSS, SHELF, SHIFT
from centre.store import EPISODE

AT_ONCE = 500  # rows that one transaction deletes of each table
DAY_NS = 86_400 * 10**9


def trim(db: sa.Connection, counts: Counter[str], days: float, now_ns: int) -> bool:
    """Delete what is kept no longer; return whether there may be more."""
    before_ns = now_ns - round(days * DAY_NS)
    alone = (
        sa.select(HANDLING.c.id)
        .select_from(HANDLING.outerjoin(EPISODE, EPISODE.c.id == HANDLING.c.id))
        .where(HANDLING.c.kind == "violation", EPISODE.c.id.is_(None), ~HANDLING.c.exercise)
    )
    n_max = _delete(db, counts, HANDLING.c.id, alone)
    # Losses are deleted only after a person has closed them. The newest one stays: the next number follows
    # it, and under a number that was given before, the log would show acts on another loss.
    newest = f"{PREFIX}{db.scalar(sa.select(sa.func.max(LOSS.c.n)))}"
    closed = sa.select(HANDLING.c.id).where(
        HANDLING.c.kind == "loss", HANDLING.c.state == "closed", HANDLING.c.id != newest
    )
    ids = db.scalars(closed.where(HANDLING.c.over_ns < before_ns).limit(AT_ONCE)).all()
    if ids:
        numbers = [int(each.removeprefix(PREFIX)) for each in ids]
        db.execute(sa.delete(LOSS).where(LOSS.c.n.in_(numbers)))
        db.execute(sa.delete(HANDLING).where(HANDLING.c.id.in_(ids)))
        counts["desk.loss_trimmed"] += len(ids)
    for table in (SHELF, SHIFT):
        old = sa.select(table.c.n).where(table.c.ended_ns < before_ns)
        n_max = max(n_max, len(ids), _delete(db, counts, table.c.n, old))
    over = sa.select(EXERCISE.c.n).where(EXERCISE.c.stage == exercise.OVER, EXERCISE.c.until_ns < before_ns)
    played = db.scalars(over.limit(AT_ONCE)).all()
    if played:
        ids = [f"{exercise.PREFIX}{n}" for n in played]
        db.execute(sa.delete(HANDLING).where(HANDLING.c.id.in_(ids)))
        db.execute(sa.delete(EXERCISE).where(EXERCISE.c.n.in_(played)))
    return max(n_max, len(played)) == AT_ONCE


def _delete(
    db: sa.Connection,
    counts: Counter[str],
    key: sa.Column[int] | sa.Column[str],
    which: sa.Select[tuple[int]],
) -> int:
    table = key.table
    assert isinstance(table, sa.Table), "a column of a table"
    keys = db.scalars(which.limit(AT_ONCE)).all()
    if keys:
        db.execute(sa.delete(table).where(key.in_(keys)))
        counts[f"desk.{table.name}_trimmed"] += len(keys)
    return len(keys)
