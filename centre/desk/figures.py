"""The desk's figures: `desk` of the summary, reports, what happened while somebody was away. Blocking."""

from collections import defaultdict
from typing import Any

import sqlalchemy as sa

from centre.audit.tables import AUDIT
from centre.desk import health
from centre.desk.health import Raised
from centre.desk.radars import Radars
from centre.desk.rows import LISTED_MAX
from centre.desk_tables import HANDLING, LOSS, SHIFT
from centre.statements import WARNING
from centre.store import EPISODE
from geofence.violation import GRADES

S = 10**9
HOUR_NS = 3_600 * S
DAY_NS = 24 * HOUR_NS
SLOW_NS = 10 * S  # how old the figures over hours and days may be
REPORT_ROWS_MAX = 100_000
IDS_MAX = 500
DESK_ACTS = ("acknowledge", "handle", "close", "false", "reopen", "note", "assign", "correct", "end")
_real = ~HANDLING.c.exercise
_unfinished = (HANDLING.c.state != "closed") & _real


class DeskFigures:
    """`desk` of `/api/summary`; what is counted over days is read each ten seconds only."""

    def __init__(self) -> None:
        self._is_flood = False
        self._slow: dict[str, Any] = {}
        self._slow_ns = 0

    def read(self, db: sa.Connection, now_ns: int) -> dict[str, Any]:
        """Return the figures of this moment."""
        if not self._slow or not 0 <= now_ns - self._slow_ns < SLOW_NS:
            self._slow, self._slow_ns = _slow(db, now_ns), now_ns
        n_recent, n_chattering = _recent(db, now_ns)
        self._is_flood = health.is_flood(n_recent, self._is_flood)
        operators = n_operators(db)
        return {
            **_by_state(db),
            "last_10_min": n_recent,
            "flood": self._is_flood,
            "chattering": n_chattering,
            "operators": operators,
            "per_operator_hour": self._slow["last_hour"] / max(1, operators),
            **{name: self._slow[name] for name in ("standing", "ack_s_mean", "false_share_7d")},
        }


def n_operators(db: sa.Connection) -> int:
    """Return how many people are on duty."""
    query = sa.select(sa.func.count(sa.distinct(SHIFT.c.by_user))).where(SHIFT.c.ended_ns.is_(None))
    return db.scalar(query) or 0


def _by_state(db: sa.Connection) -> dict[str, Any]:
    """Return how many alarms stand where; those on a shelf are counted apart."""
    grade = sa.func.coalesce(EPISODE.c.grade_max, WARNING)
    source = HANDLING.outerjoin(EPISODE, EPISODE.c.id == HANDLING.c.id)
    is_late, is_held = HANDLING.c.escalated > 0, HANDLING.c.shelf.is_not(None)
    columns = (HANDLING.c.state, HANDLING.c.kind, grade, is_late, is_held)
    query = sa.select(*columns, sa.func.count()).select_from(source).where(_unfinished).group_by(*columns)
    fresh = {"violation": 0, "warning": 0, "loss": 0}
    found = {"acknowledged": 0, "handled": 0, "escalated": 0, "shelved": 0}
    for state, kind, grade_max, late, held, n in db.execute(query).all():
        found["escalated"] += n if late else 0
        if held:
            found["shelved"] += n
        elif state != "new":
            found[state] += n
        elif kind == "loss":
            fresh["loss"] += n
        else:
            fresh["warning" if grade_max == GRADES.index("warning") else "violation"] += n
    return {"new": fresh, **found}


def _recent(db: sa.Connection, now_ns: int) -> tuple[int, int]:
    """Return how many alarms were raised in the window, and how many sources chatter (`health.chattering`).

    The database counts: in a flood tens of thousands of rows would hold up whatever else Python does.
    """
    source = sa.func.coalesce(HANDLING.c.vehicle, HANDLING.c.esn)
    steps_back: sa.ColumnElement[int] = sa.literal_column(str(health.CHATTER_N - 1))
    first_ns = sa.func.lag(HANDLING.c.raised_ns, steps_back).over(
        partition_by=(HANDLING.c.rule, source), order_by=HANDLING.c.raised_ns
    )
    between = (HANDLING.c.raised_ns > now_ns - health.WINDOW_NS) & (HANDLING.c.raised_ns <= now_ns) & _real
    name = (HANDLING.c.rule + " " + source).label("name")
    rows = sa.select(name, (HANDLING.c.raised_ns - first_ns).label("took_ns")).where(between).subquery()
    chattering = sa.case((rows.c.took_ns <= health.MINUTE_NS, rows.c.name))
    n, n_chattering = db.execute(sa.select(sa.func.count(), sa.func.count(chattering.distinct()))).one()
    return n, n_chattering


def _raised(db: sa.Connection, from_ns: int, to_ns: int) -> list[Raised]:
    source = sa.func.coalesce(HANDLING.c.vehicle, HANDLING.c.esn)
    query = sa.select(HANDLING.c.raised_ns, HANDLING.c.rule, source)
    between = (HANDLING.c.raised_ns > from_ns) & (HANDLING.c.raised_ns <= to_ns) & _real
    rows = db.execute(query.where(between).order_by(HANDLING.c.raised_ns.desc()).limit(REPORT_ROWS_MAX)).all()
    return [Raised(*row) for row in rows]


def _slow(db: sa.Connection, now_ns: int) -> dict[str, Any]:
    count = sa.select(sa.func.count()).select_from(HANDLING)
    taken = HANDLING.c.acknowledged_ns - HANDLING.c.raised_ns
    acknowledged = (HANDLING.c.raised_ns > now_ns - DAY_NS) & (taken >= 0) & _real
    closed = (
        (HANDLING.c.state == "closed") & (HANDLING.c.since_ns > now_ns - 7 * DAY_NS) & _real
        & (HANDLING.c.kind == "violation") & HANDLING.c.reason.is_not(None)
    )  # fmt: skip
    n_false, n_closed = db.scalar(count.where(closed & HANDLING.c.is_false)), db.scalar(count.where(closed))
    mean_ns = db.scalar(sa.select(sa.func.avg(taken)).where(acknowledged))
    standing = _unfinished & HANDLING.c.is_open & (HANDLING.c.raised_ns <= now_ns - health.STANDING_NS)
    return {
        "last_hour": db.scalar(count.where(_real, HANDLING.c.raised_ns > now_ns - HOUR_NS)) or 0,
        "standing": db.scalar(count.where(standing)) or 0,
        "ack_s_mean": None if mean_ns is None else round(float(mean_ns) / S, 1),
        "false_share_7d": health.share(n_false or 0, n_closed or 0),
    }


def false_report(db: sa.Connection, days: int, now_ns: int, radars: Radars) -> dict[str, Any]:
    """Return `/api/desk/false`: the share of false alarms by rule, place and radar, and how the load was."""
    from_ns = now_ns - days * DAY_NS
    place = (HANDLING.c.s_m, HANDLING.c.lon_deg, HANDLING.c.lat_deg)
    columns = (HANDLING.c.rule, *place, HANDLING.c.esn, HANDLING.c.is_false)
    closed = (HANDLING.c.state == "closed") & (HANDLING.c.since_ns > from_ns) & HANDLING.c.reason.is_not(None)
    query = sa.select(*columns).where(closed, _real, HANDLING.c.kind == "violation").limit(REPORT_ROWS_MAX)
    rows = db.execute(query).all()
    raised = _raised(db, from_ns, now_ns)
    per_rule: dict[str, int] = defaultdict(int)
    for each in raised:
        per_rule[each.rule] += 1
    most = sorted(((n, rule) for rule, n in per_rule.items()), key=lambda item: (-item[0], item[1]))
    priorities = sa.select(HANDLING.c.priority, sa.func.count()).where(_real, HANDLING.c.raised_ns > from_ns)
    return {
        "days": days,
        "closed": len(rows),
        "false": sum(row.is_false for row in rows),
        "share": health.share(sum(row.is_false for row in rows), len(rows)),
        "by_rule": health.tally((row.rule, row.is_false) for row in rows),
        "by_place": health.tally((_kilometre(row.s_m), row.is_false) for row in rows),
        "by_radar": health.tally(
            (radars.saw(row.esn, row.lon_deg, row.lat_deg), row.is_false) for row in rows
        ),
        "raised": len(raised),
        "raised_by_rule": [{"key": rule, "n": n} for n, rule in most],
        "by_priority": {
            str(priority): n for priority, n in db.execute(priorities.group_by(HANDLING.c.priority)).all()
        },
        "chattering": [
            {"rule": rule, "source": source} for rule, source in sorted(health.chattering(raised))[:IDS_MAX]
        ],
        "flood_share": health.flood_share([each.raised_ns for each in raised], from_ns, now_ns),
    }


def _kilometre(at_m: float | None) -> str:
    return "" if at_m is None else f"K{int(at_m // 1_000)}"


def groups(db: sa.Connection) -> dict[str, Any]:
    """Return `/api/desk/groups`: what is not closed, together by vehicle, place and rule."""
    columns = (HANDLING.c.id, HANDLING.c.vehicle, HANDLING.c.s_m, HANDLING.c.rule, HANDLING.c.case_id)
    query = sa.select(*columns).where(_unfinished).order_by(HANDLING.c.raised_ns.desc())
    rows = db.execute(query.limit(LISTED_MAX)).all()
    return {
        "by_vehicle": health.grouped((row.vehicle, row.id) for row in rows),
        "by_place": health.grouped((_kilometre(row.s_m) or None, row.id) for row in rows),
        "by_rule": health.grouped((row.rule, row.id) for row in rows),
        "by_case": health.grouped((row.case_id, row.id) for row in rows),
    }


def away(db: sa.Connection, since_ns: int | None, user: str, now_ns: int) -> dict[str, Any]:
    """Return `/api/away`: what came and went since then, and what others did.

    since_ns : None: since the user's last act before the present sign-in, a day at most
    """
    if since_ns is None:
        since_ns = _last_seen_ns(db, user, now_ns)
    count = sa.select(sa.func.count()).select_from(HANDLING).where(_real)
    raised = HANDLING.c.raised_ns > since_ns
    waiting = sa.select(HANDLING.c.id).where(
        _real, raised, HANDLING.c.state == "new", HANDLING.c.shelf.is_(None)
    )
    others = (AUDIT.c.at_ns > since_ns) & AUDIT.c.user.not_in(("", user)) & AUDIT.c.act.in_(DESK_ACTS)
    n_acts = sa.select(sa.func.count()).select_from(AUDIT)
    lost = sa.select(sa.func.count()).select_from(LOSS).where(LOSS.c.start_ns > since_ns)
    return {
        "since_ns": str(since_ns),
        "raised": db.scalar(count.where(raised, HANDLING.c.kind == "violation")) or 0,
        "ended": db.scalar(count.where(HANDLING.c.over_ns > since_ns, HANDLING.c.kind == "violation")) or 0,
        "not_closed": db.scalar(count.where(raised, _unfinished)) or 0,
        "unacknowledged": list(
            db.scalars(waiting.order_by(HANDLING.c.raised_ns.desc()).limit(IDS_MAX)).all()
        ),
        "acts_of_others": db.scalar(n_acts.where(others)) or 0,
        "losses": db.scalar(lost) or 0,
    }


def _last_seen_ns(db: sa.Connection, user: str, now_ns: int) -> int:
    sign_in = sa.select(sa.func.max(AUDIT.c.n)).where(AUDIT.c.subject == user, AUDIT.c.act == "sign_in")
    before = AUDIT.c.n < (db.scalar(sign_in) or 2**62)
    own = sa.select(sa.func.max(AUDIT.c.at_ns)).where(AUDIT.c.at_ns > now_ns - DAY_NS, AUDIT.c.user == user)
    return db.scalar(own.where(before)) or now_ns - DAY_NS
