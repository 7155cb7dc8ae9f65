"""Takes people off duty whose account may no longer handle alarms, and hands their alarms back. Blocking.

The desk looks at the accounts itself: the page, a command and another centre process change them alike.
"""

import sqlalchemy as sa

from centre.accounts.tables import ACCOUNT
from centre.audit.log import Act, append
from centre.changes import Change
from centre.desk import shifts
from centre.desk.board import Board
from centre.desk.people import may_handle
from centre.desk.policy import Policy
from centre.desk_tables import HANDLING, SHIFT

AT_ONCE = 200  # alarms that one transaction hands back
_gone = sa.select(ACCOUNT.c.name).where(~may_handle)
_on_duty = sa.select(SHIFT.c.by_user).where(SHIFT.c.ended_ns.is_(None), SHIFT.c.by_user.in_(_gone))
_left = (HANDLING.c.state != "closed") & HANDLING.c.assigned.in_(_gone)


def is_due(db: sa.Connection) -> bool:
    """Say whether somebody is on duty, or has alarms, who may no longer handle any."""
    if db.scalar(_gone.limit(1)) is None:
        return False
    found = db.scalar(_on_duty.limit(1))
    return found is not None or db.scalar(sa.select(HANDLING.c.id).where(_left).limit(1)) is not None


def relieve(db: sa.Connection, found: list[Change], policy: Policy, now_ns: int) -> bool:
    """End their shifts; what they had not closed is new again, with its whole time unless it is shelved.

    Return whether there is more of it.
    """
    names = db.scalars(_on_duty.distinct().order_by(SHIFT.c.by_user)).all()
    for name in names:
        append(db, Act(now_ns, None, "shift_end", name, {"text": "the account may not handle alarms"}))
    if names:
        ended = sa.update(SHIFT).where(SHIFT.c.ended_ns.is_(None), SHIFT.c.by_user.in_(names))
        db.execute(ended.values(ended_ns=now_ns))
        found.append(Change(shifts.KIND, "shift"))
    board = Board(db, found)
    ids = db.scalars(sa.select(HANDLING.c.id).where(_left).order_by(HANDLING.c.id).limit(AT_ONCE)).all()
    board.load(ids)
    for row in board.those(ids):
        n = append(db, Act(now_ns, None, "hand_back", row["id"], {"text": row["assigned"]}))
        board.change(
            row["id"], assigned=None, by_user=None, state="new", since_ns=now_ns, acknowledged_ns=None,
            deadline_ns=None if row["shelf"] is not None else policy.acknowledge_by(row["priority"], now_ns),
            escalated=0, version=n,
        )  # fmt: skip
    board.flush()
    return len(ids) == AT_ONCE
