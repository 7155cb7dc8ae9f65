"""The statistics of a period, each with the number that it is of. Blocking queries, one snapshot."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from centre.search.tables import EPISODE_KEY
from centre.statistics.tables import PASSAGE, UNIT_HOUR, UNIT_STATE
from edge.figures import quantile_ms
from geofence.journeys.driving import ZONE_NS
from geofence.violation import GRADES

WARNING = GRADES.index("warning")
HOUR_NS, KM = 3_600_000_000_000, 1_000.0
CARRIERS_MAX = 100
LATENCIES_MAX = 100_000
LATENCY = sa.table("episode", sa.column("id", sa.String), sa.column("latency_ns", sa.BigInteger))
KEY = EPISODE_KEY.c


class Period(NamedTuple):
    """From a time up to another [ns], the end not in it."""

    since_ns: int
    until_ns: int


def statistics(db: sa.Connection, period: Period) -> dict[str, Any]:
    """Return `/api/statistics`.

    A violation is an episode that reached warning, began in the period, and was not called false. Exercises
    are no episodes, so they are in none of the figures.
    """
    return {
        "since_ns": period.since_ns,
        "until_ns": period.until_ns,
        "totals": _totals(db, period),
        "rules": _counted(db, period, KEY.rule, "rule"),
        "places": _counted(db, period, _KM_OF, "km"),
        "hours": _counted(db, period, (KEY.start_ns + ZONE_NS) % (24 * HOUR_NS) // HOUR_NS, "hour"),
        "carriers": _counted(db, period, KEY.carrier, "carrier")[:CARRIERS_MAX],
        "stations": _counted(db, period, KEY.esn, "esn"),
        "latency": _latency(db, period),
        "units": _units(db, period),
        "traffic": _traffic(db, period),
    }


def _within(period: Period) -> tuple[sa.ColumnElement[bool], ...]:
    return KEY.start_ns >= period.since_ns, KEY.start_ns < period.until_ns


# floor() of nil is an error in SQLite
_KM_OF = sa.case((KEY.s_m.is_(None), None), else_=sa.cast(sa.func.floor(KEY.s_m / KM), sa.Integer))
_IS_FALSE = sa.func.coalesce(KEY.is_false, sa.false())


def _totals(db: sa.Connection, period: Period) -> dict[str, Any]:
    alarm = (KEY.grade_max >= WARNING).label("alarm")
    false = _IS_FALSE.label("is_false")
    query = sa.select(alarm, false, sa.func.count()).select_from(EPISODE_KEY).where(*_within(period))
    counts: Counter[str] = Counter()
    for is_alarm, is_false, n in db.execute(query.group_by(alarm, false)).all():
        counts["records" if not is_alarm else "false" if is_false else "violations"] += n
    raised = counts["violations"] + counts["false"]
    return {
        "violations": counts["violations"], "false": counts["false"], "records": counts["records"],
        "false_share": counts["false"] / raised if raised else None, "n": raised,
    }  # fmt: skip


def _counted(db: sa.Connection, period: Period, by: sa.ColumnElement[Any], name: str) -> list[dict[str, Any]]:
    """Return the alarms of each value of `by`: violations, false ones, and their share; the most first."""
    value, false = by.label("value"), _IS_FALSE.label("is_false")
    query = sa.select(value, false, sa.func.count()).select_from(EPISODE_KEY)
    query = query.where(*_within(period), KEY.grade_max >= WARNING).group_by("value", "is_false")
    found: dict[Any, list[int]] = {}
    for at, is_false, n in db.execute(query).all():
        found.setdefault(at if at is None or isinstance(at, str) else int(at), [0, 0])[bool(is_false)] += n
    rows = [
        {name: at, "violations": true, "false": false_n, "n": true + false_n,
         "false_share": false_n / (true + false_n)}
        for at, (true, false_n) in found.items()
    ]  # fmt: skip
    if name in ("km", "hour"):
        return sorted(rows, key=lambda row: (row[name] is None, row[name]))
    return sorted(rows, key=lambda row: (-int(str(row["n"])), str(row[name])))


def _latency(db: sa.Connection, period: Period) -> dict[str, Any]:
    """Return quantiles of the time from the deciding observation's arrival to the commit [ms]."""
    joined = EPISODE_KEY.join(LATENCY, LATENCY.c.id == KEY.id)
    query = sa.select(LATENCY.c.latency_ns).select_from(joined)
    query = query.where(*_within(period), KEY.grade_max >= WARNING, LATENCY.c.latency_ns.is_not(None))
    found = list(db.scalars(query.order_by(KEY.start_ns.desc()).limit(LATENCIES_MAX)))
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {name: quantile_ms(found, share) for name, share in shares.items()} | {"n": len(found)}


def _hours(period: Period, column: sa.Column[int]) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the condition for the hours that begin in the period."""
    return column >= period.since_ns, column < period.until_ns


def _units(db: sa.Connection, period: Period) -> dict[str, Any]:
    """Return how long each RSU was online of the time that was watched, and how much road was judged.

    One that was never seen is no part of it: a road may be equipped piece by piece.
    """
    sums = [sa.func.sum(UNIT_HOUR.c[name]).label(name) for name in _SUMS]
    query = sa.select(UNIT_HOUR.c.esn, *sums).where(*_hours(period, UNIT_HOUR.c.hour_ns))
    rows = db.execute(query.group_by(UNIT_HOUR.c.esn).order_by(UNIT_HOUR.c.esn)).mappings().all()
    # an earlier version watched those that were never seen too; none of them has a state
    stated = set(db.scalars(sa.select(UNIT_STATE.c.esn).distinct()))
    seen = [row for row in rows if row["online_s"] or (row["watched_s"] and row["esn"] in stated)]
    return {
        "rsus": [{"esn": row["esn"], **_shares(dict(row))} for row in seen],
        **_shares({name: sum(row[name] for row in seen) for name in _SUMS}),
        "n": len(seen),
        "never_seen": len(rows) - len(seen),
    }


_SUMS = ("watched_s", "online_s", "road_km_h", "judged_km_h")


def _shares(sums: Mapping[str, float]) -> dict[str, float | None]:
    watched_s, road_km_h = sums["watched_s"], sums["road_km_h"]
    return {
        "watched_h": round(watched_s / 3_600.0, 3),
        "online_share": sums["online_s"] / watched_s if watched_s else None,
        "road_km_h": round(road_km_h, 3),
        "judged_km_h": round(sums["judged_km_h"], 3),
        "judged_share": sums["judged_km_h"] / road_km_h if road_km_h else None,
    }


def _traffic(db: sa.Connection, period: Period) -> dict[str, Any]:
    """Return how many vehicles crossed the middle of each RSU's stretch: by station and lane, and by hour."""
    within = _hours(period, PASSAGE.c.hour_ns)
    kind, n = PASSAGE.c["class"].label("kind"), sa.func.sum(PASSAGE.c.n).label("n")

    def grouped(*columns: sa.ColumnElement[Any]) -> Sequence[Any]:
        query = sa.select(*columns, kind, n).where(*within).group_by(*columns, kind)
        return db.execute(query.order_by(*columns, kind)).all()

    lanes = _summed(grouped(PASSAGE.c.esn, PASSAGE.c.lane), lambda row: (row.esn, row.lane))
    hours = _summed(grouped(PASSAGE.c.hour_ns), lambda row: ((row.hour_ns + ZONE_NS) // HOUR_NS % 24,))
    return {
        "lanes": [
            {"esn": esn, "lane": lane, "n": sum(kinds.values()), "hazmat": kinds[4]}
            for (esn, lane), kinds in sorted(lanes.items())
        ],
        "hours": [
            {"hour": hour, "n": sum(kinds.values()), "hazmat": kinds[4]}
            for (hour,), kinds in sorted(hours.items())
        ],
        "n": sum(sum(kinds.values()) for kinds in lanes.values()),
    }


def _summed(rows: Sequence[Any], key: Callable[[Any], tuple[Any, ...]]) -> dict[Any, Counter[int]]:
    found: dict[Any, Counter[int]] = {}
    for row in rows:
        found.setdefault(key(row), Counter())[row.kind] += int(row.n)
    return found
