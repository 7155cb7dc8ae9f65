"""Reads the audit log: pages of it, newest first, and the whole of it for an export. Blocking."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from centre.audit import log
from centre.audit.tables import AUDIT


class Wanted(NamedTuple):
    """Which rows: each field that is given narrows them. `before`: the `next` of the page before."""

    user: str | None = None
    act: str | None = None
    subject: str | None = None
    from_ns: int | None = None
    to_ns: int | None = None
    before: int | None = None
    limit: int = 100


def page(db: sa.Connection, wanted: Wanted) -> dict[str, Any]:
    """Return a page of the log, newest first."""
    query = sa.select(AUDIT).order_by(AUDIT.c.n.desc()).limit(wanted.limit + 1)
    for column, value in (
        (AUDIT.c.user, wanted.user),
        (AUDIT.c.act, wanted.act),
        (AUDIT.c.subject, wanted.subject),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.from_ns is not None:
        query = query.where(AUDIT.c.at_ns >= wanted.from_ns)
    if wanted.to_ns is not None:
        query = query.where(AUDIT.c.at_ns < wanted.to_ns)
    if wanted.before is not None:
        query = query.where(AUDIT.c.n < wanted.before)
    found = [_row(row) for row in db.execute(query).mappings()]
    items = found[: wanted.limit]
    return {"next": items[-1]["n"] if len(found) > wanted.limit else None, "items": items}


def all_rows(db: sa.Connection) -> Iterator[dict[str, Any]]:
    """Return the whole log as an export has it, oldest first."""
    return map(_row, log.rows(db))


def state(db: sa.Connection) -> dict[str, Any]:
    """Return whether the chain is whole, up to which row, and the digest of that row."""
    fault = log.check(db)
    n, digest = log.head(db)
    return {
        "whole": fault is None, "n": n, "sha256": digest.hex(),
        "fault": None if fault is None else {"n": fault.n, "reason": fault.reason},
    }  # fmt: skip


def _row(row: Any) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(row["body"])
    except msgspec.DecodeError:  # somebody changed it: the check of the chain says so
        body = {"unreadable": True}
    return {
        **{name: row[name] for name in ("n", "user", "role", "act", "subject")},
        "at_ns": str(row["at_ns"]), "body": body, "sha256": row["sha256"].hex(),
    }  # fmt: skip
