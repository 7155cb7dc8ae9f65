"""What time alone does to alarms: a deadline that passes escalates, a shelf ends. Blocking."""

from collections.abc import Sequence

import sqlalchemy as sa

from centre.audit.log import Act, append
from centre.changes import Change
from centre.desk import exercise
from centre.desk.board import Board, Row
from centre.desk.intake import active_shelves, shelve_or_time
from centre.desk.policy import Policy
from centre.desk_tables import HANDLING, SHELF

AT_ONCE = 200  # alarms that one transaction escalates or takes from a shelf
SHELF_KIND = "shelf"  # of the feed's events
# No deadline of any site file and no shelf ends further ahead than a day; the other day is for our clock,
# which may be a day behind and be believed.
FAR_NS = 2 * 24 * 3_600 * 10**9
NEVER_NS = 2**63 - 1


def far_ns(now_ns: int, *, is_clock_right: bool) -> int:
    """Return the time beyond which no deadline or shelf can end: one that does was set by a clock ahead.

    Where ours may be behind, it says nothing of that.
    """
    return now_ns + FAR_NS if is_clock_right else NEVER_NS


def next_due_ns(db: sa.Connection, now_ns: int, beyond_ns: int) -> int | None:
    """Return the next time at which a deadline or a shelf ends; None: there is none.

    That is now where one ends after `beyond_ns`, of `far_ns`.
    """
    latest = db.scalar(sa.select(sa.func.max(HANDLING.c.deadline_ns)))
    if latest is not None and latest > beyond_ns:
        return now_ns
    until = db.scalar(sa.select(sa.func.max(SHELF.c.until_ns)).where(SHELF.c.ended_ns.is_(None)))
    if until is not None and until > beyond_ns:
        return now_ns
    dues = (
        exercise.next_due_ns(db),
        db.scalar(sa.select(sa.func.min(HANDLING.c.deadline_ns))),
        db.scalar(sa.select(sa.func.min(SHELF.c.until_ns)).where(SHELF.c.ended_ns.is_(None))),
    )
    return min((due for due in dues if due is not None), default=None)


def escalate(db: sa.Connection, found: list[Change], policy: Policy, now_ns: int, beyond_ns: int) -> bool:
    """Escalate the alarms whose deadlines have passed or lie too far; return whether there may be more.

    1: nobody has acknowledged it in time; 2: nobody handles it.
    """
    board = Board(db, found)
    is_due = (HANDLING.c.deadline_ns <= now_ns) | (HANDLING.c.deadline_ns > beyond_ns)
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


def expire_shelves(
    db: sa.Connection, found: list[Change], policy: Policy, now_ns: int, beyond_ns: int
) -> None:
    """End the shelves whose time is over, or lies too far."""
    is_over = (SHELF.c.until_ns <= now_ns) | (SHELF.c.until_ns > beyond_ns)
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
