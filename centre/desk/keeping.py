"""How long the desk keeps what it has: a row of handling as long as its episode, the rest for some time.

The audit log is not the desk's to shorten. Blocking.
"""

from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from centre.changes import Change
from centre.desk import exercise
from centre.desk.loss_rows import PREFIX
from centre.desk_tables import EXERCISE, HANDLING, LOSS, SHELF, SHIFT
from centre.store import EPISODE

AT_ONCE = 500  # rows that one transaction deletes of each table
LOOKED_AT = 500  # alarms of one look for an episode; so many ids are one list at most
DAY_NS = 86_400 * 10**9


def orphans(db: sa.Connection, after: str) -> tuple[list[str], str | None]:
    """Return alarms without an episode among the next ones after an id, and where to look on; None: no more.

    It reads every alarm there is, some at a time: in a reader's thread, so that no commit waits for it.
    """
    of_ledger = (HANDLING.c.kind == "violation", ~HANDLING.c.exercise, HANDLING.c.id > after)
    some = sa.select(HANDLING.c.id).where(*of_ledger).order_by(HANDLING.c.id).limit(LOOKED_AT).subquery()
    rows = db.execute(
        sa.select(some.c.id, EPISODE.c.id.label("episode"))
        .select_from(some.outerjoin(EPISODE, EPISODE.c.id == some.c.id))
        .order_by(some.c.id)
    ).all()
    lacking = [row.id for row in rows if row.episode is None]
    return lacking, rows[-1].id if len(rows) == LOOKED_AT else None


def drop_orphans(
    db: sa.Connection, _found: Sequence[Change], *, counts: Counter[str], ids: Sequence[str]
) -> None:
    """Delete these alarms where they still lack an episode."""
    alone = ~sa.exists().where(EPISODE.c.id == HANDLING.c.id)
    n = db.execute(sa.delete(HANDLING).where(HANDLING.c.id.in_(ids), alone)).rowcount
    counts["desk.handling_trimmed"] += n


def trim(db: sa.Connection, counts: Counter[str], days: float, now_ns: int) -> bool:
    """Delete what has ended and is kept no longer; return whether there may be more."""
    before_ns = now_ns - round(days * DAY_NS)
    # Losses are deleted only after a person has closed them. The newest one stays: the next number follows
    # it, and under a number that was given before, the log would show acts on another loss.
    newest = db.scalar(sa.select(sa.func.max(LOSS.c.n))) or 0
    handled = HANDLING.c.id == sa.literal(PREFIX) + sa.cast(LOSS.c.n, sa.String)
    closed = sa.select(LOSS.c.n).select_from(LOSS.join(HANDLING, handled)).where(
        LOSS.c.end_ns.is_not(None), LOSS.c.n != newest, HANDLING.c.state == "closed",
        HANDLING.c.over_ns < before_ns,
    )  # fmt: skip
    numbers = db.scalars(closed.order_by(LOSS.c.n).limit(AT_ONCE)).all()
    if numbers:
        db.execute(sa.delete(LOSS).where(LOSS.c.n.in_(numbers)))
        db.execute(sa.delete(HANDLING).where(HANDLING.c.id.in_([f"{PREFIX}{n}" for n in numbers])))
        counts["desk.loss_trimmed"] += len(numbers)
    n_max = len(numbers)
    for table in (SHELF, SHIFT):
        old = sa.select(table.c.n).where(table.c.ended_ns < before_ns)
        n_max = max(n_max, _delete(db, counts, table.c.n, old))
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
    key: sa.Column[int],
    which: sa.Select[tuple[int]],
) -> int:
    table = key.table
    assert isinstance(table, sa.Table), "a column of a table"
    keys = db.scalars(which.limit(AT_ONCE)).all()
    if keys:
        db.execute(sa.delete(table).where(key.in_(keys)))
        counts[f"desk.{table.name}_trimmed"] += len(keys)
    return len(keys)
