"""Turns committed changes into events that wait for their platforms. Blocking."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from centre.audit.tables import AUDIT
from centre.outreach.events import Known, Moment, Shown, encode, event_id, event_of, handles, next_events
from centre.outreach_tables import OUTREACH, SAID
from centre.settings import set_value, value
from centre.store import EPISODE, FEED, VERSION
from centre.unset_clocks import is_clock_unset, righted, shift_of_ns
from geofence import violation as codec

FEED_KEY, AUDIT_KEY = "outreach_feed", "outreach_audit"  # of SETTING: how far the events are made
ROWS_AT_ONCE = 200
WAITING_MAX = 20_000  # of one way; beyond it the oldest go, and are counted
LOCK = "outreach"
WAIT_NS_MAX = 3_600 * 10**9  # between two tries


def begin(db: sa.Connection) -> None:
    """Begin with what is committed now: a platform isn't flooded with the past."""
    for key, newest in zip((FEED_KEY, AUDIT_KEY), ends(db), strict=True):
        # further than there are rows: they were lost, and are counted anew
        if value(db, key) is None or _after(db, key) > newest:
            set_value(db, key, str(newest))


def collect(db: sa.Connection, ways: Sequence[str], moment: Moment) -> tuple[int, int]:
    """Make the next events; return how many rows were read, and how many events found no room."""
    feed = _after(db, FEED_KEY)
    rows = db.execute(
        sa.select(FEED.c.n, FEED.c.kind, FEED.c.key)
        .where(FEED.c.n > feed)
        .order_by(FEED.c.n)
        .limit(ROWS_AT_ONCE)
    ).all()
    for violation in dict.fromkeys(row.key for row in rows if row.kind == "violation"):
        _changed(db, violation, ways, moment)
    if rows:
        set_value(db, FEED_KEY, str(rows[-1].n))
    acts = db.execute(
        sa.select(AUDIT).where(AUDIT.c.n > _after(db, AUDIT_KEY)).order_by(AUDIT.c.n).limit(ROWS_AT_ONCE)
    ).all()
    for act in acts:
        if handles(act.act, act.user):
            _handled(db, act, ways, moment)
    if acts:
        set_value(db, AUDIT_KEY, str(acts[-1].n))
    return len(rows) + len(acts), sum(_trim(db, way) for way in ways)


def ends(db: sa.Connection) -> tuple[int, int]:
    """Return the newest numbers of the feed and of the log of acts: another one means new events."""
    newest = [db.scalar(sa.select(sa.func.max(column))) or 0 for column in (FEED.c.n, AUDIT.c.n)]
    return newest[0], newest[1]


def _after(db: sa.Connection, key: str) -> int:
    text = value(db, key) or "0"
    return int(text) if text.isascii() and text.isdigit() else 0


def _changed(db: sa.Connection, violation: str, ways: Sequence[str], moment: Moment) -> None:
    shown = _shown(db, violation)
    if shown is None:
        return
    row, found = shown
    known = _known(db, violation)
    events, now = next_events(known, row.grade_max, row.open)
    if now is None or not events:
        return
    for number, event in enumerate(events, start=now.number - len(events) + 1):
        body = encode(event_of(event, number, found, now.grade, moment))
        _put(db, ways, (event_id(moment.centre, violation, number), violation), body, moment.at_ns)
    _note(db, violation, now, is_new=known is None)


def _handled(db: sa.Connection, act: Any, ways: Sequence[str], moment: Moment) -> None:
    known, shown = _known(db, act.subject), _shown(db, act.subject)
    if known is None or shown is None:  # of another subject, or of no alarm
        return
    now = known._replace(number=known.number + 1)
    body = encode(event_of("handled", now.number, shown[1], known.grade, moment, (act.act, act.user)))
    _put(db, ways, (event_id(moment.centre, act.subject, now.number), act.subject), body, moment.at_ns)
    _note(db, act.subject, now, is_new=False)


def _shown(db: sa.Connection, violation: str) -> tuple[Any, Shown] | None:
    """Return the row of an episode and its newest version."""
    same = (VERSION.c.id == EPISODE.c.id) & (VERSION.c.version == EPISODE.c.version)
    joined = EPISODE.join(VERSION, same & (VERSION.c.esn == EPISODE.c.esn))
    clocks = (VERSION.c.detected_ns, VERSION.c.received_ns, VERSION.c.decided_ns)
    query = sa.select(EPISODE.c.grade_max, EPISODE.c.open, VERSION.c.body, *clocks).select_from(joined)
    row = db.execute(query.where(EPISODE.c.id == violation)).first()
    if row is None:
        return None
    try:
        return row, Shown(righted(codec.decode(row.body), shift_of_ns(row)), is_clock_unset(row))
    except (msgspec.DecodeError, ValueError):  # the page leaves it out too
        return None


def _known(db: sa.Connection, violation: str) -> Known | None:
    row = db.execute(sa.select(SAID).where(SAID.c.violation == violation)).first()
    return None if row is None else Known(row.grade, row.closed, row.events)


def _note(db: sa.Connection, violation: str, now: Known, *, is_new: bool) -> None:
    values = {"grade": now.grade, "closed": now.closed, "events": now.number}
    if is_new:
        db.execute(sa.insert(SAID).values(violation=violation, **values))
    else:
        db.execute(sa.update(SAID).where(SAID.c.violation == violation).values(**values))


def _put(db: sa.Connection, ways: Sequence[str], names: tuple[str, str], body: bytes, now_ns: int) -> None:
    for way in ways:
        values = {
            "way": way, "id": names[0], "violation": names[1], "body": body, "made_ns": now_ns, "tries": 0,
            "next_ns": now_ns, "dead": False,
        }  # fmt: skip
        db.execute(sa.insert(OUTREACH).values(values))


def _trim(db: sa.Connection, way: str) -> int:
    """Delete what is too much of one way, dead rows first; return how many were not yet given up."""
    of_way = OUTREACH.c.way == way
    n = db.scalar(sa.select(sa.func.count()).select_from(OUTREACH).where(of_way)) or 0
    if n <= WAITING_MAX:
        return 0
    oldest = sa.select(OUTREACH.c.n, OUTREACH.c.dead).where(of_way)
    rows = db.execute(oldest.order_by(OUTREACH.c.dead.desc(), OUTREACH.c.n).limit(n - WAITING_MAX)).all()
    db.execute(sa.delete(OUTREACH).where(OUTREACH.c.n.in_([row.n for row in rows])))
    return sum(not row.dead for row in rows)


def due(db: sa.Connection, way: str, now_ns: int, limit: int) -> list[Any]:
    """Return the rows to send now: of each alarm only the oldest that waits, so that their order holds.

    A row whose turn is further away than any wait is due: the clock that it was put off by was ahead.
    """
    waiting = (OUTREACH.c.way == way) & OUTREACH.c.dead.is_(False)
    first = sa.select(sa.func.min(OUTREACH.c.n)).where(waiting).group_by(OUTREACH.c.violation)
    is_due = (OUTREACH.c.next_ns <= now_ns) | (OUTREACH.c.next_ns > now_ns + WAIT_NS_MAX)
    query = sa.select(OUTREACH).where(OUTREACH.c.n.in_(first), is_due)
    return list(db.execute(query.order_by(OUTREACH.c.n).limit(limit)).all())


def settle(db: sa.Connection, n: int, change: Mapping[str, Any] | None) -> None:
    """Note how a row was sent.  change : None: delivered; it is deleted"""
    if change is None:
        db.execute(sa.delete(OUTREACH).where(OUTREACH.c.n == n))
    else:
        db.execute(sa.update(OUTREACH).where(OUTREACH.c.n == n).values(**change))


def figures(db: sa.Connection) -> dict[str, dict[str, Any]]:
    """Return by way how many events wait, how many were given up, and why the newest failed."""
    found: dict[str, dict[str, Any]] = {}
    query = sa.select(OUTREACH.c.way, OUTREACH.c.dead, sa.func.count(), sa.func.min(OUTREACH.c.made_ns))
    for way, dead, n, oldest_ns in db.execute(query.group_by(OUTREACH.c.way, OUTREACH.c.dead)).all():
        row = found.setdefault(way, {"waiting": 0, "dead": 0, "oldest_ns": None, "fault": None})
        row["dead" if dead else "waiting"] = n
        if not dead:
            row["oldest_ns"] = str(oldest_ns)
    for way, row in found.items():
        newest = sa.select(OUTREACH.c.fault).where(OUTREACH.c.way == way, OUTREACH.c.fault.is_not(None))
        row["fault"] = db.scalar(newest.order_by(OUTREACH.c.n.desc()).limit(1))
    return found
