"""Episodes made anew from the stored versions, where their own rows are lost. Blocking."""

from typing import Any

import msgspec
import sqlalchemy as sa

from centre import statements as sql
from centre.store import EPISODE, VERSION
from centre.views.excess import excesses_m
from geofence import violation as codec
from geofence.violation import GRADES, Violation


def rebuild_episodes(db: sa.Connection) -> int:
    """Write a row for each id whose versions are stored and whose row is not, or shows none of them."""
    shown = sa.exists().where(
        VERSION.c.id == EPISODE.c.id, VERSION.c.version == EPISODE.c.version, VERSION.c.esn == EPISODE.c.esn
    )
    db.execute(sa.delete(EPISODE).where(~shown))
    has_row = sa.exists().where(EPISODE.c.id == VERSION.c.id)
    first = sa.select(VERSION.c.id).where(~has_row).group_by(VERSION.c.id)
    ids = db.scalars(first.order_by(sa.func.min(VERSION.c.received_ns))).all()
    n = 0
    for violation_id in ids:
        order = (VERSION.c.hop, VERSION.c.version)
        rows = db.execute(sa.select(VERSION).where(VERSION.c.id == violation_id).order_by(*order)).all()
        readable = [(row, found) for row in rows if (found := _decoded(row.body)) is not None]
        if readable:
            db.execute(sql.ADD_EPISODE, _episode(readable))
            n += 1
    return n


def _decoded(body: bytes) -> Violation | None:
    try:
        return codec.decode(body)
    except (msgspec.MsgspecError, ValueError):
        return None


def _episode(versions: list[tuple[Any, Violation]]) -> dict[str, object]:
    """Return the row of an episode; versions : (row, violation), the newest last."""
    newest_row, newest = versions[-1]
    excesses = [
        excess
        for _, each in versions
        for excess in excesses_m(each.rule, each.grade, each.evidence, each.start_ns, each.end_ns)
    ]
    committed = [row.committed_ns for row, _ in versions if row.committed_ns is not None]
    return {
        "id": newest.id, "version": newest.version, "hop": newest.hop, "esn": newest.esn,
        "open": newest.phase != "close", "grade": newest_row.grade, "rule": newest.rule,
        "grade_max": max(GRADES.index(each.grade) for _, each in versions), "versions": len(versions),
        "first_received_ns": min(row.received_ns for row, _ in versions),
        "first_committed_ns": min(committed, default=None),
        "excess_m_max": max(excesses, default=None),
        "p_violation_max": max(each.p_violation for _, each in versions),
    }  # fmt: skip
