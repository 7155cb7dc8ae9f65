"""The Handling of API.md from rows of the database, and the queries of the worklist. Blocking."""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from centre.audit.tables import AUDIT
from centre.desk_tables import HANDLING
from centre.numbered import page_of
from geofence.plausible import plain

LISTED_MAX = 2_000
LISTED_CLOSED_NS = 2 * 3_600 * 10**9  # what was closed no longer ago is in the list too
ACTS_MAX = 500  # of one alarm that are shown, the newest
IN_MAX = 500  # values of one IN: SQLite limits them
_SHOWN = (
    "id", "kind", "exercise", "state", "by_user", "assigned", "raised_ns", "since_ns", "acknowledged_ns",
    "deadline_ns", "escalated", "reason", "is_false", "plate", "n_notes", "shelf", "ended_by", "ended_ns",
    "resumed_ns", "version", "priority", "why", "case_id", "case_n",
)  # fmt: skip
_COLUMNS = [HANDLING.c[name] for name in _SHOWN]
_unfinished = HANDLING.c.state != "closed"


def _text_of(stamp_ns: int | None) -> str | None:
    return None if stamp_ns is None else str(stamp_ns)


def shown(row: Any) -> dict[str, Any]:
    """Return the Handling of a row."""
    (
        alarm_id, kind, exercise, state, user, assigned, raised_ns, since_ns, acknowledged_ns, deadline_ns,
        escalated, reason, is_false, plate, n_notes, shelf, ended_by, ended_ns, resumed_ns, version, priority,
        why, case_id, case_n,
    ) = row  # fmt: skip
    ended = None if ended_by is None else {"user": ended_by, "at_ns": str(ended_ns)}
    return {
        "id": alarm_id, "kind": kind, "state": state, "user": user, "assigned": assigned,
        "raised_ns": str(raised_ns), "since_ns": _text_of(since_ns),
        "acknowledged_ns": _text_of(acknowledged_ns), "deadline_ns": _text_of(deadline_ns),
        "escalated": escalated, "reason": reason, "is_false": is_false, "plate": plate, "n_notes": n_notes,
        "shelf": shelf, "case": case_id, "case_n": case_n, "priority": priority, "why": why.split(),
        "exercise": exercise, "ended": ended, "resumed_ns": _text_of(resumed_ns), "version": version,
    }  # fmt: skip


def handling(db: sa.Connection, alarm_id: str) -> dict[str, Any] | None:
    """Return the Handling of one alarm; None where it has no row."""
    row = db.execute(sa.select(*_COLUMNS).where(HANDLING.c.id == alarm_id)).first()
    return None if row is None else shown(row)


def handlings(db: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the Handling of each of these alarms, in their order."""
    found = by_id(db, ids)
    return [found[each] for each in ids if each in found]


def by_id(db: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the Handling of each of these alarms that has a row."""
    found: dict[str, dict[str, Any]] = {}
    for some in parts_of(ids):
        query = sa.select(*_COLUMNS).where(HANDLING.c.id.in_(some))
        found |= {row.id: shown(row) for row in db.execute(query)}
    return found


def worklist(db: sa.Connection, now_ns: int) -> dict[str, Any]:
    """Return `/api/handling`: what is not closed, and what was closed a short while ago; newest first."""
    recent = ~_unfinished & (HANDLING.c.since_ns >= now_ns - LISTED_CLOSED_NS)
    order = (HANDLING.c.raised_ns.desc(), HANDLING.c.id)
    rows = db.execute(sa.select(*_COLUMNS).where(_unfinished).order_by(*order).limit(LISTED_MAX + 1)).all()
    if len(rows) <= LISTED_MAX:  # what needs somebody comes first: it takes no place from that
        left = LISTED_MAX + 1 - len(rows)
        rows = [*rows, *db.execute(sa.select(*_COLUMNS).where(recent).order_by(*order).limit(left)).all()]
    items = [shown(row) for row in rows[:LISTED_MAX]]
    items.sort(key=lambda item: (-int(item["raised_ns"]), item["id"]))
    return {"items": items, "more": len(rows) > LISTED_MAX}


def acts_page(db: sa.Connection, alarm_id: str, before: int | None) -> dict[str, Any]:
    """Return `/api/alarms/{id}/acts`: the newest ones before a number, and `next`: `before` of older ones."""
    query = sa.select(AUDIT).where(AUDIT.c.subject == alarm_id)
    found, older = page_of(db, query, AUDIT.c.n, ACTS_MAX, before)
    return {"items": [acts_row(row) for row in reversed(found)], "next": older}


def acts_row(row: Any) -> dict[str, Any]:
    """Return one act of API.md from a row of the log."""
    body = msgspec.json.decode(row.body)
    about = {name: body.get(name) for name in ("reason", "text", "to", "plate")}
    return {
        "n": row.n, "at_ns": str(row.at_ns), "user": plain(row.user), "role": row.role, "act": row.act,
    } | about  # fmt: skip


def parts_of(values: Collection[str]) -> list[list[str]]:
    """Return values in parts that one IN may hold."""
    listed = list(values)
    return [listed[at : at + IN_MAX] for at in range(0, len(listed), IN_MAX)]
