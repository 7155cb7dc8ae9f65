"""Reads the audit log: pages of it, newest first, and all that is wanted of it for an export. Blocking."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from centre.audit import log
from centre.audit.tables import AUDIT
from centre.local_time import stamp_text
from geofence.plausible import plain

EXPORTED = (
    "n", "time (UTC+8)", "at_ns", "user", "role", "act", "subject", "body", "sha256_before", "sha256",
)  # fmt: skip
NAMED_MAX = 50  # of the rows that can't be read
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
    query = sa.select(*log.RAW).where(*_conditions(wanted)).order_by(AUDIT.c.n.desc())
    if wanted.before is not None:
        query = query.where(AUDIT.c.n < wanted.before)
    rows = log.each_row(db, query.limit(wanted.limit + 1))
    found = [_item({"n": n} if row is None else dict(row._mapping)) for n, row in rows]
    items = found[: wanted.limit]
    return {"next": items[-1]["n"] if len(found) > wanted.limit else None, "items": items}


def exported(
    db: sa.Connection, wanted: Wanted, after: int, to: int
) -> list[tuple[int, tuple[int | str, ...] | None]]:
    """Return the next rows after one number and up to another, oldest first; empty: there are no more.

    Each with its number; None: it can't be read. Its columns are EXPORTED. `body` and the digests are as they
    are stored: whoever has the file can compute each digest anew.
    """
    digest_before = log.as_stored(_before.c.sha256, "sha256_before")
    query = sa.select(*log.RAW, digest_before).select_from(
        AUDIT.outerjoin(_before, _before.c.n == AUDIT.c.n - 1)
    )
    query = query.where(AUDIT.c.n > after, AUDIT.c.n <= to, *_conditions(wanted))
    query = query.order_by(AUDIT.c.n).limit(log.ROWS_AT_ONCE)
    return [(n, None if row is None else _cells(row)) for n, row in log.each_row(db, query)]


def _cells(row: Any) -> tuple[int | str, ...] | None:
    """Return the cells of EXPORTED; None where a column holds something else than it must."""
    body, digest = log.bytes_of(row.body), log.bytes_of(row.sha256)
    texts = (row.user, row.role, row.act, row.subject)
    if body is None or digest is None or not isinstance(row.at_ns, int):
        return None
    if not all(isinstance(each, str) for each in texts):
        return None
    before = log.bytes_of(row.sha256_before) or b""
    time_text = stamp_text(row.at_ns)
    return (
        row.n, time_text, str(row.at_ns), *texts, body.decode(errors="replace"), before.hex(), digest.hex()
    )  # fmt: skip


def unreadable(numbers: Sequence[int], broke_off: str | None) -> tuple[int | str, ...]:
    """Return the last row of an export that lacks rows: which, and how many."""
    named = ", ".join(map(str, numbers[:NAMED_MAX])) + (" …" if len(numbers) > NAMED_MAX else "")
    words = [f"{len(numbers)} rows can't be read: {named}"] if numbers else []
    if broke_off is not None:
        words.append(f"the rest is missing: {broke_off}")
    return ("unreadable", *[""] * 6, "; ".join(words), "", "")


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
    return map(_item, log.rows(db))


def _item(row: Mapping[str, Any]) -> dict[str, Any]:
    body, digest = log.bytes_of(row.get("body")), log.bytes_of(row.get("sha256"))
    try:
        found = msgspec.json.decode(body or b"")
    except msgspec.DecodeError:  # somebody changed it: the check of the chain says so
        found = {"unreadable": True}
    texts = {name: plain(str(row.get(name) or "")) for name in ("user", "role", "act", "subject")}
    return {
        "n": row["n"], **texts, "at_ns": str(row.get("at_ns", 0)), "body": found,
        "sha256": (digest or b"").hex(),
    }  # fmt: skip
