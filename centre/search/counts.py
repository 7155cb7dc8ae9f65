"""How many violations a vehicle or a carrier has, by rule. Blocking."""

from typing import Any

import sqlalchemy as sa

from centre.search.query import KEY, Search, conditions
from centre.search.tables import EPISODE_KEY
from geofence.violation import GRADES

PLATES_MAX = 200


def by_rule(db: sa.Connection, wanted: Search) -> dict[str, Any]:
    """Return `counts`: alarms by rule without false ones, the false ones, and records below warning."""
    false = sa.func.coalesce(KEY.is_false, sa.false()).label("is_false")
    alarm = (KEY.grade_max >= GRADES.index("warning")).label("alarm")
    query = sa.select(KEY.rule, alarm, false, sa.func.count()).select_from(EPISODE_KEY)
    rules: dict[str, int] = {}
    n_false = n_records = 0
    grouped = query.where(*conditions(db, wanted)).group_by(KEY.rule, alarm, false)
    for rule, is_alarm, is_false, n in db.execute(grouped.order_by(KEY.rule)).all():
        if not is_alarm:
            n_records += n
        elif is_false:
            n_false += n
        else:
            rules[rule] = n
    return {"rules": rules, "violations": sum(rules.values()), "false": n_false, "records": n_records}


def by_plate(db: sa.Connection, wanted: Search) -> list[dict[str, Any]]:
    """Return the alarms by vehicle, the most first."""
    n = sa.func.count().label("n")
    plate = sa.func.coalesce(KEY.corrected, KEY.plate).label("plate")  # as a person corrected it
    query = sa.select(plate, n).select_from(EPISODE_KEY).where(*conditions(db, wanted))
    query = query.where(KEY.grade_max >= GRADES.index("warning"))
    rows = db.execute(query.group_by(plate).order_by(n.desc(), plate).limit(PLATES_MAX)).all()
    return [{"plate": row.plate, "n": row.n} for row in rows]
