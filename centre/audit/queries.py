"""Reads the audit log: pages of it, newest first, and all that is wanted of it for an export. Blocking."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from centre.audit import log
from centre.audit.tables import AUDIT
from centre.local_time import stamp_text

EXPORTED = (
    "n", "time (UTC+8)", "at_ns", "user", "role", "act", "subject", "body", "sha256_before", "sha256",
)  # fmt: skip
_before = AUDIT.alias("before")


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
    query = sa.select(AUDIT).where(*_conditions(wanted)).order_by(AUDIT.c.n.desc())
    if wanted.before is not None:
        query = query.where(AUDIT.c.n < wanted.before)
    found = [_row(row) for row in db.execute(query.limit(wanted.limit + 1)).mappings()]
    items = found[: wanted.limit]
    return {"next": items[-1]["n"] if len(found) > wanted.limit else None, "items": items}


def exported(db: sa.Connection, wanted: Wanted, after: int, to: int) -> list[tuple[int | str, ...]]:
    """Return the next rows after one number and up to another, oldest first; empty: there are no more.

    Its columns are EXPORTED. `body` and the digests are as they are stored: whoever has the file can compute
    each digest anew.
    """
    query = sa.select(AUDIT, _before.c.sha256.label("sha256_before")).select_from(
        AUDIT.outerjoin(_before, _before.c.n == AUDIT.c.n - 1)
    )
    query = query.where(AUDIT.c.n > after, AUDIT.c.n <= to, *_conditions(wanted))
    query = query.order_by(AUDIT.c.n).limit(log.ROWS_AT_ONCE)
    return [
        (
            row.n, stamp_text(row.at_ns), str(row.at_ns), row.user, row.role, row.act, row.subject,
            row.body.decode(errors="replace"), (row.sha256_before or b"").hex(), row.sha256.hex(),
        )
        for row in db.execute(query)
    ]  # fmt: skip


def _conditions(wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    where: list[sa.ColumnElement[bool]] = []
    for column, value in (
        (AUDIT.c.user, wanted.user),
        (AUDIT.c.act, wanted.act),
        (AUDIT.c.subject, wanted.subject),
    ):
        if value is not None:
            where.append(column == value)
    if wanted.from_ns is not None:
        where.append(AUDIT.c.at_ns >= wanted.from_ns)
    if wanted.to_ns is not None:
        where.append(AUDIT.c.at_ns < wanted.to_ns)
    return where


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
