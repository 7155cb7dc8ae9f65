"""Which grade each episode had when: a replay shows the grade of the moment. Blocking."""

from itertools import groupby
from typing import Any

import sqlalchemy as sa

from centre.search.query import Cursor, beyond, lasted
from centre.search.tables import EPISODE_KEY
from centre.store import VERSION
from centre.unset_clocks import is_clock_unset
from geofence.violation import GRADES

COLUMNS = ("id", "grade", "detected_ns", "received_ns", "decided_ns")
LISTED_MAX = 2_000  # episodes of one answer
RANGE_NS_MAX = 8 * 86_400 * 10**9  # more than a history that is kept for a week


def grades(db: sa.Connection, from_ns: int, to_ns: int, before: Cursor | None = None) -> dict[str, Any]:
    """Return the steps of each episode that lasted at some moment of a time, the newest start first.

    before : `next` of the page before this one
    A step is a grade and the time of its decision, by the clock of the RSU; where that was never set, of its
    arrival. The last version of an ended episode has no grade that means anything, and is no step.
    """
    key = EPISODE_KEY.c
    query = sa.select(key.id, key.start_ns, key.end_ns, key.open).where(lasted(from_ns, to_ns))
    if before is not None:
        query = query.where(beyond(before, newer=False))
    order = (key.start_ns.desc(), key.id.desc())
    found = db.execute(query.order_by(*order).limit(LISTED_MAX + 1)).all()
    listed = found[:LISTED_MAX]
    is_open = {row.id: row.open for row in listed}
    steps: dict[str, list[list[str]]] = {}
    rows = sa.select(*(VERSION.c[name] for name in COLUMNS)).where(VERSION.c.id.in_(is_open))
    at = (VERSION.c.id, VERSION.c.hop, VERSION.c.version, VERSION.c.esn)
    for each, versions in groupby(db.execute(rows.order_by(*at)).all(), key=lambda row: row.id):
        graded = list(versions)
        if len(graded) > 1 and not is_open[each]:
            graded.pop()
        steps[each] = [
            [str(_detected_ns(next(same))), GRADES[grade]]
            for grade, same in groupby(graded, key=lambda row: row.grade)
        ]
    return {
        "next": str(Cursor(listed[-1].start_ns, listed[-1].id)) if len(found) > len(listed) else None,
        "items": [
            {
                "id": row.id, "start_ns": str(row.start_ns),
                "end_ns": None if row.open else str(row.end_ns), "steps": steps[row.id],
            }
            for row in listed if row.id in steps
        ],
    }  # fmt: skip


def _detected_ns(row: Any) -> int:
    """Return when a version was detected; its arrival where the clock of its RSU was never set."""
    at_ns: int = row.received_ns if is_clock_unset(row) else row.detected_ns
    return at_ns
