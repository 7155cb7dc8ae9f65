"""What time alone does to alarms: a deadline that passes escalates, a shelf ends. Blocking."""

from collections.abc import Sequence

import sqlalchemy as sa

from centre.audit.log import Act, append
from centre.changes import Change
from centre.desk import exercise
from centre.desk.board import Board, Row
from centre.desk.intake import active_shelves, shelve_or_time
from centre.desk.policy import SLACK_NS, Policy
from centre.desk_tables import HANDLING, SHELF

AT_ONCE = 200  # alarms that one transaction escalates or takes from a shelf
SHELF_KIND = "shelf"  # of the feed's events
SHELF_NS_MAX = 24 * 3_600 * 10**9 + SLACK_NS  # further ahead than a person may shelve


def next_due_ns(db: sa.Connection, policy: Policy, now_ns: int) -> int | None:
    """Return the next time at which a deadline or a shelf ends; None: there is none.

    That is now where one lies further ahead than any can: it was set by a clock that was ahead.
    """
    latest = db.scalar(sa.select(sa.func.max(HANDLING.c.deadline_ns)))
    if latest is not None and latest > now_ns + policy.longest_ns:
        return now_ns
    until = db.scalar(sa.select(sa.func.max(SHELF.c.until_ns)).where(SHELF.c.ended_ns.is_(None)))
    if until is not None and until > now_ns + SHELF_NS_MAX:
        return now_ns
    dues = (
        exercise.next_due_ns(db),
        db.scalar(sa.select(sa.func.min(HANDLING.c.deadline_ns))),
        db.scalar(sa.select(sa.func.min(SHELF.c.until_ns)).where(SHELF.c.ended_ns.is_(None))),
    )
    return min((due for due in dues if due is not None), default=None)


def escalate(db: sa.Connection, found: list[Change], policy: Policy, now_ns: int) -> bool:
    """Escalate the alarms whose deadlines have passed; return whether there may be more.

    1: nobody has acknowledged it in time; 2: nobody handles it.
    """
    board = Board(db, found)
    is_due = (HANDLING.c.deadline_ns <= now_ns) | (HANDLING.c.deadline_ns > now_ns + policy.longest_ns)
    due = sa.select(HANDLING.c.id).where(is_due)
    ids = db.scalars(due.order_by(HANDLING.c.deadline_ns, HANDLING.c.id).limit(AT_ONCE)).all()
    board.load(ids)
    for row in board.those(ids):
        level = 1 if row["state"] == "new" and row["escalated"] == 0 else 2
        about = {"level": level, "due_ns": row["deadline_ns"], "state": row["state"]}
        n = append(db, Act(now_ns, None, "escalate", row["id"], about))
        due_ns = policy.handle_by(min(row["deadline_ns"], now_ns)) if level == 1 else None
        board.change(row["id"], escalated=level, deadline_ns=due_ns, version=n)
    board.flush()
    return len(ids) == AT_ONCE


def expire_shelves(db: sa.Connection, found: list[Change], policy: Policy, now_ns: int) -> None:
    """End the shelves whose time is over."""
    is_over = (SHELF.c.until_ns <= now_ns) | (SHELF.c.until_ns > now_ns + SHELF_NS_MAX)
    due = sa.select(SHELF.c.n).where(SHELF.c.ended_ns.is_(None), is_over)
    for n in db.scalars(due.order_by(SHELF.c.n)).all():
        append(db, Act(now_ns, None, "shelf_end", str(n)))
        end_shelf(db, found, policy, n, now_ns)


def end_shelf(db: sa.Connection, found: list[Change], policy: Policy, n: int, now_ns: int) -> None:
    """End a shelf: what is still new on it needs somebody again, unless another shelf takes it."""
    db.execute(sa.update(SHELF).where(SHELF.c.n == n).values(ended_ns=now_ns))
    found.append(Change(SHELF_KIND, str(n)))
    board = Board(db, found)
    shelves: Sequence[Row] = active_shelves(db)
    for each in board.load_where(HANDLING.c.shelf == n):
        shelve_or_time(board, each, shelves, policy, now_ns)
    board.flush()
