"""The queries of a search: which episodes, in the order of their starts, a page at a time. Blocking."""

from dataclasses import dataclass
from typing import NamedTuple

import sqlalchemy as sa

from centre.desk_tables import HANDLING
from centre.search.keys import folded, shown
from centre.search.tables import EPISODE_KEY
from geofence.violation import GRADES

LASTS_NS_MAX = 86_400 * 10**9  # what began earlier than this before a time is not looked for in it
COUNTED_MAX = 10_000  # a larger number is only "more than"
HANDLING_STATES = ("new", "acknowledged", "handled", "closed")
PLATES_MAX = 200  # vehicles that a part of a plate may name, to be looked up one by one
KEY = EPISODE_KEY.c


class Cursor(NamedTuple):
    """Where a page ends: an episode that is on it."""

    start_ns: int
    id: str

    def __str__(self) -> str:
        return f"{self.start_ns}_{self.id}"


def cursor_of(text: str) -> Cursor:
    """Return the cursor of its text; ValueError where it is none."""
    stamp, _, violation_id = text.partition("_")
    if not (stamp.isascii() and stamp.isdigit()) or len(stamp) > 19 or not violation_id:
        raise ValueError("must be a cursor that a search returned")
    return Cursor(int(stamp), violation_id[:64])


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is asked for; nil and empty ask for nothing."""

    plate: str | None = None  # a part of it, in any width and case
    vehicle: str | None = None  # the whole plate, or the terminal of one without a plate
    terminal: str | None = None
    carrier: str | None = None  # a part of it
    carrier_is: str | None = None  # the whole name
    un: str | None = None
    rules: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()  # the highest that it reached
    esn: str | None = None
    state: str = "all"  # open, closed
    kind: str | None = None  # alarm: it reached warning; record: it did not
    since_ns: int | None = None  # by its start
    until_ns: int | None = None
    lasted: bool = False  # since and until: it lasted at some moment between them, whenever it began
    from_m: float | None = None  # by the place where its highest grade was decided
    to_m: float | None = None
    lane: str | None = None
    zone: str | None = None
    is_false: bool | None = None
    handling: str | None = None  # one of HANDLING_STATES
    before: Cursor | None = None  # older ones than this
    after: Cursor | None = None  # newer ones
    limit: int = 100


class Found(NamedTuple):
    """One page, newest start first."""

    ids: tuple[str, ...]
    n: int  # of all pages, at most COUNTED_MAX
    more: bool  # there are more than `n`
    older: Cursor | None  # `before` of the next page; None: there is none
    newer: Cursor | None  # `after` of the page before


def search(db: sa.Connection, wanted: Search) -> Found:
    """Return the page of a search."""
    where = conditions(db, wanted)
    counted = sa.select(sa.literal(1)).select_from(EPISODE_KEY).where(*where).limit(COUNTED_MAX + 1)
    n = db.scalar(sa.select(sa.func.count()).select_from(counted.subquery())) or 0
    page = sa.select(KEY.start_ns, KEY.id).where(*where)
    turned_back = wanted.after is not None
    if wanted.after is not None:
        page = page.where(beyond(wanted.after, newer=True)).order_by(KEY.start_ns, KEY.id)
    else:
        if wanted.before is not None:
            page = page.where(beyond(wanted.before, newer=False))
        page = page.order_by(KEY.start_ns.desc(), KEY.id.desc())
    rows = [Cursor(row.start_ns, row.id) for row in db.execute(page.limit(wanted.limit + 1)).all()]
    has_more, rows = len(rows) > wanted.limit, rows[: wanted.limit]
    if turned_back:
        rows.reverse()
    came_from_newer, came_from_older = wanted.before is not None, turned_back
    has_older = came_from_older or (has_more and not turned_back)
    has_newer = came_from_newer or (has_more and turned_back)
    if not rows:  # beyond the end: the way back is where it came from
        return Found((), min(n, COUNTED_MAX), n > COUNTED_MAX, wanted.after, wanted.before)
    return Found(
        tuple(row.id for row in rows), min(n, COUNTED_MAX), n > COUNTED_MAX,
        rows[-1] if has_older else None, rows[0] if has_newer else None,
    )  # fmt: skip


def beyond(at: Cursor, *, newer: bool) -> sa.ColumnElement[bool]:
    """Return what lies beyond a cursor; the first comparison alone lets the index be used."""
    if newer:
        return (KEY.start_ns >= at.start_ns) & ((KEY.start_ns > at.start_ns) | (KEY.id > at.id))
    return (KEY.start_ns <= at.start_ns) & ((KEY.start_ns < at.start_ns) | (KEY.id < at.id))


def conditions(db: sa.Connection, wanted: Search) -> list[sa.ColumnElement[bool]]:
    """Return the conditions of a search, without its cursors."""
    where: list[sa.ColumnElement[bool]] = []
    equal = (
        (KEY.terminal, wanted.terminal), (KEY.un, wanted.un), (KEY.esn, wanted.esn),
        (KEY.lane, wanted.lane), (KEY.zone, wanted.zone),
        (KEY.carrier, None if wanted.carrier_is is None else shown(wanted.carrier_is)),
    )  # fmt: skip
    where += [column == value for column, value in equal if value is not None]
    if wanted.plate is not None and folded(wanted.plate):
        where.append(_has_plate(db, folded(wanted.plate)))
    if wanted.vehicle is not None:
        name = folded(wanted.vehicle)
        where.append((KEY.plate == name) | (KEY.corrected == name))
    if wanted.carrier is not None:
        where.append(KEY.carrier.icontains(wanted.carrier, autoescape=True))
    if wanted.rules:
        where.append(KEY.rule.in_(wanted.rules))
    if wanted.grades:
        where.append(KEY.grade_max.in_([GRADES.index(grade) for grade in wanted.grades]))
    if wanted.state != "all":
        where.append(KEY.open == (wanted.state == "open"))
    if wanted.kind is not None:
        alarm = KEY.grade_max >= GRADES.index("warning")
        where.append(alarm if wanted.kind == "alarm" else ~alarm)
    if wanted.since_ns is not None:
        where.append(_lasted(wanted.since_ns) if wanted.lasted else KEY.start_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        where.append(KEY.start_ns < wanted.until_ns)
    if wanted.from_m is not None:
        where.append(KEY.s_m >= wanted.from_m)
    if wanted.to_m is not None:
        where.append(KEY.s_m <= wanted.to_m)
    if wanted.handling is not None:
        where.append(_stands_in(wanted.handling))
    if wanted.is_false is not None:
        where.append(sa.func.coalesce(KEY.is_false, sa.false()) == wanted.is_false)
    return where


def lasted(from_ns: int, to_ns: int) -> sa.ColumnElement[bool]:
    """Return the condition for what lasted at some moment from one time to another (not after it)."""
    return _lasted(from_ns) & (KEY.start_ns <= to_ns)


def _lasted(from_ns: int) -> sa.ColumnElement[bool]:
    """Return the condition for what had not ended; it reads a day of the index, not all that ever was."""
    return (KEY.start_ns >= from_ns - LASTS_NS_MAX) & (KEY.open | (KEY.end_ns >= from_ns))


def _stands_in(state: str) -> sa.ColumnElement[bool]:
    """Return the condition for a state of handling.

    The key notes it with the first act: an alarm that nobody has touched is found by the desk's own row. What
    is not closed is little, and is looked up one by one; what is closed is nearly all.
    """
    stands = HANDLING.c.state == state
    if state != "closed":
        return KEY.id.in_(sa.select(HANDLING.c.id).where(stands))
    untouched = sa.exists(sa.literal(1)).where(HANDLING.c.id == KEY.id, stands)
    return (KEY.handling == state) | (KEY.handling.is_(None) & untouched)


def _has_plate(db: sa.Connection, part: str) -> sa.ColumnElement[bool]:
    """Return the condition for a part of a plate; few vehicles are looked up in the index of plates."""
    corrected = KEY.corrected.contains(part, autoescape=True) & KEY.corrected.is_not(None)
    corrected_ids = tuple(db.scalars(sa.select(KEY.id).where(corrected).limit(PLATES_MAX + 1)))
    plates = plates_with(db, part)
    if max(len(plates), len(corrected_ids)) > PLATES_MAX:  # so many are found soon in the order of time
        return KEY.plate.contains(part, autoescape=True) | corrected
    if not corrected_ids:
        return KEY.plate.in_(plates)
    return KEY.plate.in_(plates) | KEY.id.in_(corrected_ids)


def plates_with(db: sa.Connection, part: str) -> tuple[str, ...]:
    """Return the different plates that have this part, one more than PLATES_MAX at most.

    Each is found by one step in the index of plates, however many episodes it has.
    """
    first = sa.select(sa.func.min(KEY.plate).label("plate")).cte("plates", recursive=True)
    following = sa.select(sa.func.min(KEY.plate)).where(KEY.plate > first.c.plate).scalar_subquery()
    plates = first.union_all(sa.select(following).where(first.c.plate.is_not(None)))
    query = sa.select(plates.c.plate).where(plates.c.plate.contains(part, autoescape=True))
    return tuple(db.scalars(query.limit(PLATES_MAX + 1)))
