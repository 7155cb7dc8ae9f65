"""The people to whom an alarm or a shift can be given. Blocking."""

from typing import Any

import sqlalchemy as sa

from centre.accounts.rights import RIGHTS, may
from centre.desk_tables import SHIFT
from centre.meta import META

LISTED_MAX = 1_000
ACCOUNTS = "account"  # the table of those who can sign in; without accounts, whoever is on duty


def users(db: sa.Connection) -> list[dict[str, Any]]:
    """Return `users` of `/api/desk`: who may handle alarms, by name."""
    account = META.tables.get(ACCOUNTS)
    if account is not None:
        query = sa.select(account.c.name, account.c.role).where(~account.c.disabled)
        rows = db.execute(query.order_by(account.c.name).limit(LISTED_MAX)).all()
        if rows:
            return [{"name": name, "role": role} for name, role in rows if _may_handle(role)]
    on_duty = sa.select(SHIFT.c.by_user).where(SHIFT.c.ended_ns.is_(None)).distinct()
    names = db.scalars(on_duty.order_by(SHIFT.c.by_user).limit(LISTED_MAX)).all()
    return [{"name": name, "role": None} for name in names]


def _may_handle(role: str) -> bool:
    return any(role == each and may(each, "handle") for each in RIGHTS)
