"""The people to whom an alarm or a shift can be given. Blocking."""

from typing import Any

import sqlalchemy as sa

from centre.accounts.rights import RIGHTS, may
from centre.accounts.tables import ACCOUNT
from centre.desk.faults import RefusedError
from centre.desk_tables import SHIFT

LISTED_MAX = 1_000
HANDLING_ROLES = tuple(role for role in RIGHTS if may(role, "handle"))
may_handle = ~ACCOUNT.c.disabled & ACCOUNT.c.role.in_(HANDLING_ROLES)


def users(db: sa.Connection) -> list[dict[str, Any]]:
    """Return `users` of `/api/desk`: who may handle alarms, by name; without accounts, whoever is on duty."""
    if _has_accounts(db):
        query = sa.select(ACCOUNT.c.name, ACCOUNT.c.role).where(may_handle)
        rows = db.execute(query.order_by(ACCOUNT.c.name).limit(LISTED_MAX)).all()
        return [{"name": row.name, "role": row.role} for row in rows]
    on_duty = sa.select(SHIFT.c.by_user).where(SHIFT.c.ended_ns.is_(None)).distinct()
    names = db.scalars(on_duty.order_by(SHIFT.c.by_user).limit(LISTED_MAX)).all()
    return [{"name": name, "role": None} for name in names]


def check_can_handle(db: sa.Connection, name: str) -> None:
    """Refuse to give something to somebody who can't handle it; without accounts nobody knows who can."""
    known = db.scalar(sa.select(ACCOUNT.c.name).where(ACCOUNT.c.name == name, may_handle))
    if known is None and _has_accounts(db):
        raise RefusedError(400, f"to: no active account {name!r} has the right to handle alarms")


def _has_accounts(db: sa.Connection) -> bool:
    return db.scalar(sa.select(ACCOUNT.c.name).limit(1)) is not None
