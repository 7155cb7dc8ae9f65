"""The queries of the database: blocking, each on one consistent snapshot, for a thread of their own."""

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import sqlalchemy as sa

from centre import postgresql
from centre.beside import OnBug, uncared
from centre.desk_tables import HANDLING
from centre.episode_views import SHOWN, EpisodeViews
from centre.numbered import page_of
from centre.search import backfill
from centre.search.query import Search, search
from centre.search.tables import EPISODE_KEY
from centre.statements import WARNING
from centre.store import ASK, EPISODE, EPOCH, FEED, JOURNEY, QUARANTINE, STATUS, TRANSPORT, VERSION
from centre.views import figures as count
from centre.views import journeys, violations
from centre.views.figures import Sample
from centre.views.safe_json import json_safe
from edge.ask import LOST
from edge.centre_status import EPOCH_GIVEN_MAX
from geofence.violation import GRADES

PAGE_ROWS_MAX = 500

_NEWEST = EPISODE.join(
    VERSION,
    (EPISODE.c.id == VERSION.c.id)
    & (EPISODE.c.version == VERSION.c.version)
    & (EPISODE.c.esn == VERSION.c.esn),
)


def _void_of(reason: str) -> sa.ColumnElement[bool]:
    return TRANSPORT.c.void.is_not(None) & TRANSPORT.c.void.startswith(reason)


class Lost(NamedTuple):
    """Items of one RSU that no file of it holds: how many, when the first and newest were given up."""

    n: int
    first_ns: int
    newest_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One row of the feed; `data` is the Episode at that row, None for a unit and for an unreadable row."""

    n: int
    kind: str
    key: str
    data: dict[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFilter:
    """Which episodes a page of the list holds."""

    state: str = "all"
    grades: tuple[str, ...] = ()
    rule: str | None = None
    esn: str | None = None
    kind: str | None = None  # alarm: reached warning; record: did not
    before: int | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyFilter:
    """Which journeys a page of the board holds."""

    state: str = "open"
    terminal: str | None = None
    before: int | None = None
    limit: int = 100


class Reader:
    """Queries of one database, and the counters of what could not be shown."""

    def __init__(self, engine: sa.Engine, on_bug: OnBug = uncared) -> None:
        """`on_bug(work, error)`: an error that nobody expected in one row; the others are shown."""
        self._engine = postgresql.snapshots(engine)
        self._alarms = count.AlarmBins()
        self.counts: Counter[str] = Counter()
        self._views = EpisodeViews(self.counts, on_bug)
        self._complete: dict[tuple[str, int], int] = {}  # last_seq up to which nothing is missing

    def episodes(self, wanted: EpisodeFilter) -> dict[str, Any]:
        """Return the page of `/api/violations`."""
        query = sa.select(*SHOWN).select_from(_NEWEST)
        if wanted.state != "all":
            query = query.where(EPISODE.c.open == (wanted.state == "open"))
        if wanted.grades:
            query = query.where(EPISODE.c.grade.in_([GRADES.index(grade) for grade in wanted.grades]))
        if wanted.rule is not None:
            query = query.where(EPISODE.c.rule == wanted.rule)
        if wanted.esn is not None:
            query = query.where(EPISODE.c.esn == wanted.esn)
        if wanted.kind is not None:
            alarm = EPISODE.c.grade_max >= WARNING
            query = query.where(alarm if wanted.kind == "alarm" else ~alarm)
        if wanted.before is not None:
            query = query.where(EPISODE.c.n < wanted.before)
        query = query.order_by(EPISODE.c.n.desc()).limit(wanted.limit + 1)
        with self._engine.begin() as db:
            cursor, rows = _cursor(db), db.execute(query).all()
            shown = rows[: wanted.limit]
            items = self._views.of(db, shown)
        return {
            "cursor": cursor,
            "next": shown[-1].n if len(rows) > len(shown) and shown else None,
            "items": [item for item in items if item is not None],
        }

    def search(self, wanted: Search) -> dict[str, Any]:
        """Return the page of `/api/search`: episodes by their starts, the newest first."""
        # The index holds the desk's notes folded for searching, and none of alarms that nobody touched
        notes = (
            EPISODE_KEY.c.is_false,
            sa.func.coalesce(EPISODE_KEY.c.handling, HANDLING.c.state).label("handling"),
            sa.func.coalesce(HANDLING.c.plate, EPISODE_KEY.c.corrected).label("corrected"),
        )
        query = sa.select(*SHOWN, *notes).select_from(
            _NEWEST.join(EPISODE_KEY, EPISODE_KEY.c.id == EPISODE.c.id).outerjoin(
                HANDLING, HANDLING.c.id == EPISODE.c.id
            )
        )
        with self._engine.begin() as db:
            found = search(db, wanted)
            by_id = {row.at_id: row for row in db.execute(query.where(EPISODE.c.id.in_(found.ids))).all()}
            rows = [by_id[each] for each in found.ids]
            shown = self._views.of(db, rows)
            complete = backfill.is_complete(db) if not found.ids else True
        items = []
        for row, item in zip(rows, shown, strict=True):
            if item is not None:
                said = {"is_false": bool(row.is_false), "handling": row.handling, "corrected": row.corrected}
                items.append(item | json_safe(said))
        return {
            "items": items, "n": found.n, "more": found.more, "complete": complete,
            "older": None if found.older is None else str(found.older),
            "newer": None if found.newer is None else str(found.newer),
        }  # fmt: skip

    def read(self, query: Callable[..., Any], *args: Any) -> Any:
        """Run `query(db, *args)` of a part of the centre on one consistent snapshot."""
        with self._engine.begin() as db:
            return query(db, *args)

    def violation(self, violation_id: str) -> dict[str, Any] | None:
        """Return an episode and all its versions, None if there is no such id."""
        query = sa.select(*SHOWN).select_from(_NEWEST).where(EPISODE.c.id == violation_id)
        all_versions = sa.select(VERSION).where(VERSION.c.id == violation_id)
        with self._engine.begin() as db:
            row = db.execute(query).first()
            if row is None:
                return None
            versions = db.execute(all_versions.order_by(VERSION.c.hop, VERSION.c.version)).all()
            (episode,) = self._views.of(db, [row])
        if episode is None:
            return None
        shown = [self._shown(violations.version, each) for each in versions]
        return {"episode": episode, "versions": [each for each in shown if each is not None]}

    def _shown(self, present_row: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any] | None:
        """Return a row for the page; None, counted, for one of an older centre that can't be shown."""
        try:
            return present_row(*args)
        except Exception:  # whatever is wrong with one row, the others are shown
            self.counts["row.unreadable"] += 1
            return None

    def journeys(self, wanted: JourneyFilter, offline: Container[str]) -> dict[str, Any]:
        """Return the page of `/api/journeys`; offline : RSUs that are off."""
        query = sa.select(JOURNEY).where(JOURNEY.c.joined.is_(None))
        if wanted.state != "all":
            query = query.where(JOURNEY.c.open == (wanted.state == "open"))
        if wanted.terminal is not None:
            query = query.where(JOURNEY.c.terminal == wanted.terminal)
        if wanted.before is not None:
            query = query.where(JOURNEY.c.n < wanted.before)
        with self._engine.begin() as db:
            rows = db.execute(query.order_by(JOURNEY.c.n.desc()).limit(wanted.limit + 1)).all()
        shown = rows[: wanted.limit]
        items = [self._shown(journeys.journey, row, offline) for row in shown]
        return {
            "next": shown[-1].n if len(rows) > len(shown) and shown else None,
            "items": [item for item in items if item is not None],
        }

    def bounds(self) -> tuple[int, int]:
        """Return the newest number of the feed and the oldest that is still kept (0, 0: empty)."""
        with self._engine.begin() as db:
            oldest = db.scalar(sa.select(sa.func.min(FEED.c.n)))
            return _cursor(db), oldest or 0

    def changes(self, after: int, limit: int = 200) -> list[Change]:
        """Return the feed's next rows, ascending; each violation at the version that it announced."""
        at_change = (
            (VERSION.c.id == FEED.c.key)
            & (VERSION.c.version == FEED.c.version)
            & (VERSION.c.esn == FEED.c.esn)
        )
        source = FEED.outerjoin(VERSION, at_change).outerjoin(EPISODE, EPISODE.c.id == FEED.c.key)
        query = (
            sa.select(FEED.c.n.label("cursor"), FEED.c.kind, FEED.c.key, *SHOWN)
            .select_from(source)
            .where(FEED.c.n > after)
            .order_by(FEED.c.n)
            .limit(limit)
        )
        with self._engine.begin() as db:
            rows = db.execute(query).all()
            episodes = [row for row in rows if row.kind == "violation"]
            shown = iter(self._views.of(db, episodes))
        return [
            Change(
                n=row.cursor,
                kind=row.kind,
                key=row.key,
                data=next(shown) if row.kind == "violation" else None,
            )
            for row in rows
        ]

    def figures(self, now_ns: int) -> dict[str, Any]:
        """Return the figures of `/api/summary`."""
        with self._engine.begin() as db:
            by_grade = sa.select(EPISODE.c.grade, sa.func.count()).where(EPISODE.c.open)
            opened = {row[0]: row[1] for row in db.execute(by_grade.group_by(EPISODE.c.grade)).all()}
            alarm = sa.select(EPISODE.c.first_committed_ns).where(EPISODE.c.grade_max >= WARNING)
            sections = count.sections(db)
            return {
                "cursor": _cursor(db),
                "sections": sections,
                "alarms": self._alarms.read(db, now_ns),
                "open": {grade: opened.get(i, 0) for i, grade in enumerate(GRADES)},
                "total": sections["open"] + sections["ended"] + sections["record"],
                "last_alarm_ns": db.scalar(alarm.order_by(EPISODE.c.n.desc()).limit(1)),
                "quarantined": db.scalar(sa.select(sa.func.count()).select_from(QUARANTINE)),
            }

    def latencies(self, since_ns: int = 0) -> list[Sample]:
        """Return the newest samples that were committed since then."""
        with self._engine.begin() as db:
            return count.latencies(db, since_ns)

    def gaps(self) -> dict[str, tuple[int, int]]:
        """Return per RSU how many transport keys are stored, and how many it sent that are not.

        A range that was once without a gap is not counted again: an epoch may grow for months.
        """
        found: dict[str, tuple[int, int]] = {}
        complete: dict[tuple[str, int], int] = {}
        with self._engine.begin() as db:
            for esn, epoch, last_seq in db.execute(
                sa.select(EPOCH.c.esn, EPOCH.c.epoch, EPOCH.c.last_seq)
            ).all():
                stored = whole = self._complete.get((esn, epoch), 0)
                if stored != last_seq:
                    seq = TRANSPORT.c.seq
                    key = (TRANSPORT.c.esn == esn, TRANSPORT.c.epoch == epoch, seq > whole, seq <= last_seq)
                    stored += db.scalar(sa.select(sa.func.count()).select_from(TRANSPORT).where(*key)) or 0
                complete[esn, epoch] = last_seq if stored == last_seq else whole
                before = found.get(esn, (0, 0))
                found[esn] = (before[0] + stored, before[1] + last_seq - stored)
        self._complete = complete  # without the epochs that are no longer kept
        return found

    def missing(self, esn: str, limit: int) -> list[tuple[int, int]]:
        """Return (epoch, seq) of what an RSU sent and is not stored, the oldest first."""
        found: list[tuple[int, int]] = []
        epochs = sa.select(EPOCH.c.epoch, EPOCH.c.last_seq).where(EPOCH.c.esn == esn).order_by(EPOCH.c.epoch)
        with self._engine.begin() as db:
            for epoch, last_seq in db.execute(epochs).all():
                expected = self._complete.get((esn, epoch), 0) + 1
                if expected > last_seq:
                    continue
                seq = TRANSPORT.c.seq
                key = (TRANSPORT.c.esn == esn, TRANSPORT.c.epoch == epoch, seq >= expected, seq <= last_seq)
                query = sa.select(seq).where(*key).order_by(seq)
                for stored in (*db.scalars(query), last_seq + 1):
                    gap = range(expected, min(stored, expected + limit - len(found)))
                    found += [(epoch, missing) for missing in gap]
                    expected = stored + 1
                    if len(found) >= limit:
                        return found
        return found

    def count_lost(self, esn: str, keys: Sequence[tuple[int, int]]) -> int:
        """Return how many of these items an RSU gave up: no file of it holds them."""
        place = sa.tuple_(TRANSPORT.c.epoch, TRANSPORT.c.seq)
        query = sa.select(sa.func.count()).where(TRANSPORT.c.esn == esn, _void_of(LOST))
        n = 0
        with self._engine.begin() as db:
            for at in range(0, len(keys), 200):  # SQLite limits the depth of an expression
                n += db.scalar(query.where(place.in_([tuple(key) for key in keys[at : at + 200]]))) or 0
        return n

    def voids(self, reason: str) -> dict[str, int]:
        """Return by RSU how many voids have a reason that begins so."""
        query = sa.select(TRANSPORT.c.esn, sa.func.count()).where(_void_of(reason))
        with self._engine.begin() as db:
            return {row[0]: row[1] for row in db.execute(query.group_by(TRANSPORT.c.esn)).all()}

    def lost(self) -> dict[str, Lost]:
        """Return by RSU what no file of it holds any more."""
        at = TRANSPORT.c.received_ns
        query = sa.select(TRANSPORT.c.esn, sa.func.count(), sa.func.min(at), sa.func.max(at))
        with self._engine.begin() as db:
            rows = db.execute(query.where(_void_of(LOST)).group_by(TRANSPORT.c.esn)).all()
        return {row[0]: Lost(row[1], row[2], row[3]) for row in rows}

    def lost_items(self, esn: str, limit: int) -> list[dict[str, Any]]:
        """Return the newest items that an RSU gave up, with what it said."""
        columns = [TRANSPORT.c[name] for name in ("epoch", "seq", "received_ns")]
        query = sa.select(*columns, TRANSPORT.c.void.label("reason"))
        query = query.where(TRANSPORT.c.esn == esn, _void_of(LOST))
        order = [TRANSPORT.c[name].desc() for name in ("received_ns", "epoch", "seq")]
        with self._engine.begin() as db:
            return [dict(row) for row in db.execute(query.order_by(*order).limit(limit)).mappings().all()]

    def asks(self, since_ns: int) -> dict[str, tuple[int, int]]:
        """Return by RSU how often it was asked for everything since then, and when the last time."""
        query = sa.select(ASK.c.esn, ASK.c.times, ASK.c.asked_ns).where(ASK.c.since_ns == since_ns)
        with self._engine.begin() as db:
            return {row.esn: (row.times, row.asked_ns) for row in db.execute(query).all()}

    def quarantined(self, limit: int, before: int | None = None) -> dict[str, Any]:
        """Return the page of `/api/quarantine`, newest first."""
        columns = [
            QUARANTINE.c[name] for name in ("n", "received_ns", "topic", "esn", "epoch", "seq", "reason")
        ]
        query = sa.select(*columns, QUARANTINE.c.size_bytes.label("bytes"))
        with self._engine.begin() as db:
            found, older = page_of(db, query, QUARANTINE.c.n, limit, before)
        return {"next": older, "items": [json_safe(row._asdict()) for row in found]}

    def statuses(self) -> list[Any]:
        """Return all rows of STATUS."""
        with self._engine.begin() as db:
            return list(db.execute(sa.select(STATUS)).all())

    def status(self, kind: str, name: str) -> Any | None:
        """Return a unit's row of STATUS, None if it has none."""
        query = sa.select(STATUS).where(STATUS.c.kind == kind, STATUS.c.id == name)
        with self._engine.begin() as db:
            return db.execute(query).first()

    def last_seqs(self) -> dict[tuple[str, int], int]:
        """Return the highest seq that each (esn, epoch) has reported."""
        with self._engine.begin() as db:
            return {(row.esn, row.epoch): row.last_seq for row in db.execute(sa.select(EPOCH)).all()}

    def newest_epochs(self, esns: Sequence[str]) -> dict[str, int]:
        """Return the highest epoch of each RSU's items, for those that have any."""
        newest = sa.func.max(TRANSPORT.c.epoch)
        with self._engine.begin() as db:  # one look into the index for each, not a scan of all items
            found = {
                esn: db.scalar(
                    sa.select(newest).where(TRANSPORT.c.esn == esn, TRANSPORT.c.epoch <= EPOCH_GIVEN_MAX)
                )
                for esn in esns
            }
        return {esn: epoch for esn, epoch in found.items() if epoch is not None}


def _cursor(db: sa.Connection) -> int:
    return db.scalar(sa.select(sa.func.max(FEED.c.n))) or 0
